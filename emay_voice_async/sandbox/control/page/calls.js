// The calls as they ring: what is heard, what came of it, and what the person does.

import { byId, element, Rows, setText } from "./dom.js";
import { change, ServiceError } from "./server.js";
import { say, stateMeaning, time } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"];
const DEEDS = {
  answer: { state: "SUCCESS" },
  hang_up: { state: "SUCCESS", duration: 1 },
  unreachable: { state: "FAIL_CALL" },
};
const SHORTCUTS = { a: "answer", h: "hang_up", u: "unreachable" };
const KINDS = { notice: "notice", code: "code_call", marketing: "marketing", voice_sms: "voice_sms" };

export class Calls {
  constructor(announce) {
    this.announce = announce;
    this.masked = true;
    this.ahead = 0;
    this.list = byId("call-list");
    this.current = null;
    this.rows = new Rows(this.list, (call) => call.message_id, (call) => this.make(call), (row, call) => this.update(row, call));
    this.list.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("focusin", (event) => this.choose(event.target.closest("li")));
    setInterval(() => this.tick(), 1000);
  }

  show(state) {
    this.masked = !state.show_numbers;
    this.ahead = Date.parse(state.now) - Date.now();
    this.rows.show(state.calls);
    byId("no-calls").hidden = state.calls.length > 0;
    if (!this.current?.isConnected) this.choose(this.list.firstElementChild);
  }

  clear() {
    this.rows.clear();
  }

  make(call) {
    const row = element("li", { class: "call", tabindex: "-1" });
    row.parts = {
      number: element("strong", { class: "number" }),
      kind: element("span", { class: "tag" }),
      state: element("span", { class: "badge" }),
      at: element("time", { class: "muted", datetime: call.at }),
      texts: element("div", { class: "texts" }),
      actions: element("div", { class: "decide" }),
    };
    const { number, kind, state, at, texts, actions } = row.parts;
    row.append(element("div", { class: "line" }, number, kind, state, at), texts, actions);
    setText(number, shownNumber(call.mobile, this.masked));
    setText(kind, say(KINDS[call.kind]));
    setText(at, time(call.at));
    row.setAttribute("aria-label", say("call_to", { number: number.textContent }));
    texts.append(element("p", { class: "heard" }, call.content));
    for (const [name, text] of Object.entries(call.texts)) {
      texts.append(element("p", { class: "heard" }, element("span", { class: "muted" }, `${say(name)}: `), text));
    }
    if (call.custom_id) {
      texts.append(element("p", { class: "muted small" }, `${say("custom_id")}: ${call.custom_id}`));
    }
    return row;
  }

  update(row, call) {
    row.call = call;
    this.tellState(row);
    const rings = call.phase === "ringing";
    if (rings === (row.parts.actions.childElementCount > 0)) return;
    if (!rings) {
      if (row.parts.actions.contains(document.activeElement)) row.focus();
      row.parts.actions.replaceChildren();
      return;
    }
    const label = say("call_to", { number: shownNumber(call.mobile, this.masked) });
    const tabindex = row === this.current ? "0" : "-1";
    const keys = KEYS.map((key) =>
      element("button", { type: "button", tabindex, class: "key", "aria-label": say("press", { key }), onclick: () => this.press(row, key) }, key));
    const deeds = Object.keys(DEEDS).map((deed) =>
      element("button", { type: "button", tabindex, onclick: () => this.decide(row, DEEDS[deed]) }, say(deed)));
    row.parts.actions.append(
      element("div", { class: "deeds", role: "group", "aria-label": label }, ...deeds),
      element("div", { class: "keypad", role: "group", "aria-label": `${label}: ${say("keypad")}` }, ...keys));
  }

  tellState(row) {
    const { call, parts: { state } } = row;
    setText(state, stateText(call, Date.now() + this.ahead));
    state.dataset.tone = call.phase === "ringing" ? "wait" : call.outcome?.state === "SUCCESS" ? "good" : "bad";
  }

  tick() {
    for (const row of this.rows.rows.values()) if (row.call.phase === "ringing") this.tellState(row);
  }

  choose(row) {
    if (!row || row === this.current) return;
    for (const [one, tabindex] of [[this.current, "-1"], [row, "0"]]) {
      one?.setAttribute("tabindex", tabindex);
      one?.setAttribute("aria-current", String(tabindex === "0"));
      for (const button of one?.querySelectorAll("button") ?? []) button.setAttribute("tabindex", tabindex);
    }
    this.current = row;
  }

  onKey(event) {
    const row = event.target.closest("li");
    if (!row || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    if (key === "arrowdown" || key === "arrowup") {
      const next = key === "arrowdown" ? row.nextElementSibling : row.previousElementSibling;
      next?.focus();
    } else if (row.call.phase !== "ringing") {
      return;
    } else if (KEYS.includes(key)) {
      this.press(row, key);
    } else if (key in SHORTCUTS) {
      this.decide(row, DEEDS[SHORTCUTS[key]]);
    } else if (key === "enter" && event.target === row) {
      this.decide(row, DEEDS.answer);
    } else {
      return;
    }
    event.preventDefault();
  }

  press(row, key) {
    return this.decide(row, { state: "SUCCESS", key });
  }

  async decide(row, deed) {
    const shown = shownNumber(row.call.mobile, this.masked);
    try {
      const call = await change("POST", `calls/${row.call.message_id}`, { ...deed, report_in: 0 });
      this.update(row, call);
      this.announce(say("decided", { number: shown, outcome: stateText(call, 0) }));
    } catch (error) {
      if (!(error instanceof ServiceError || error instanceof TypeError)) throw error;
      this.announce(say("failed", { why: error.message }));
    }
  }
}

export function shownNumber(text, masked) {
  return masked ? text.replace(/(?<!\d)(1\d\d)\d{4}(\d{4})(?!\d)/g, "$1****$2") : text;
}

function stateText(call, now) {
  if (call.phase === "ringing") {
    if (!call.report_at) return say("undecided");
    return say("ringing_for", { seconds: Math.max(0, Math.ceil((Date.parse(call.report_at) - now) / 1000)) });
  }
  const { state, key, has_recording: recorded, message } = call.outcome;
  const parts = [stateMeaning(state) || message];
  if (key !== null) parts.push(say("pressed", { key }));
  if (recorded) parts.push(say("recorded"));
  parts.push(say(call.phase));
  return parts.join(say("comma"));
}
