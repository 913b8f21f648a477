// Sentences in the language of the page, and choices that the browser remembers.

export class Language {
  constructor(words) {
    this.words = words;
    this.current = "en";
  }

  use(wanted) {
    this.current = wanted in this.words ? wanted : "en";
    document.documentElement.lang = this.current === "zh" ? "zh-CN" : "en";
    for (const node of document.querySelectorAll("[data-word]")) node.textContent = this.say(node.dataset.word);
    document.title = this.say("title");
  }

  say(word, values = {}) {
    return this.words[this.current][word].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  get locale() {
    return this.current === "zh" ? "zh-CN" : "en-GB";
  }

  time(text) {
    return new Date(text).toLocaleTimeString(this.locale, { hour12: false });
  }

  number(value) {
    return Number(value).toLocaleString(this.locale, { maximumFractionDigits: 6 });
  }
}

function remembered(name, fallback) {
  try {
    return localStorage.getItem(`emay-voice-${name}`) ?? fallback;
  } catch {
    return fallback;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`emay-voice-${name}`, value);
  } catch {
    // A browser without storage forgets the choice.
  }
}

// Connect a select with what it changes; without a choice of before, `fallback` holds.
export function choosing(select, fallback, apply) {
  const chosen = remembered(select.id, fallback);
  select.value = chosen;
  select.addEventListener("change", () => {
    remember(select.id, select.value);
    apply(select.value);
  });
  apply(chosen);
}

export function browserLanguage() {
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
}
