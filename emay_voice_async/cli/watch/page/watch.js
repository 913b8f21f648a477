// The page of a campaign: it reads the data every two seconds, and shows every text as text.

import { byId, drawing, element, setText } from "./dom.js";
import { browserLanguage, choosing, Language, useTheme } from "./language.js";

const EVERY = 2000;
const HEIGHT = 40;
const WORDS = {
  en: {
    title: "Voice campaign", language: "Language", theme: "Colours", theme_auto: "As the system",
    theme_light: "Light", theme_dark: "Dark", progress: "Progress", overview: "Overview", rate: "Numbers per minute",
    states: "Numbers by state", reports: "Reports by state", keys: "Keys pressed", failures: "Last failures",
    no_reports: "No report yet.", no_keys: "No key yet.", no_failures: "No failure yet.",
    about: "{kind} of {app_id}, {name}, begun {begun}", live: "Live", lost: "Connection lost, trying again",
    no_token: "The address needs its token", broken: "The journal cannot be read: {why}",
    settled_of: "{settled} of {total} numbers, {share} %. {end}", settled: "{settled} numbers. {end}",
    ends: "Ends about {time}.", ended: "Done.", unknown_end: "",
    accepted: "Called", answered: "Answered", failed: "Failed", unreported: "No report yet", unknown: "Unknown",
    refused: "Refused", not_sent: "Not sent", under_way: "Being sent", per_minute: "Per minute", cost: "Cost",
    history: "Numbers per minute: {last} at last, at most {most}", key: "Key {key}",
    details: "Keys and failures as of {time}.", reading: "Keys and failures are being read.",
    Notice: "Notice", Marketing: "Marketing", VerificationCode: "Verification code", VoiceSms: "Voice SMS",
  },
  zh: {
    title: "语音任务", language: "语言", theme: "配色", theme_auto: "跟随系统",
    theme_light: "浅色", theme_dark: "深色", progress: "进度", overview: "概览", rate: "每分钟号码数",
    states: "号码状态", reports: "状态报告", keys: "按键统计", failures: "最近失败",
    no_reports: "还没有报告。", no_keys: "还没有按键。", no_failures: "还没有失败。",
    about: "{kind}，账号 {app_id}，{name}，开始于 {begun}", live: "实时", lost: "连接已断开，正在重试",
    no_token: "访问地址需要带令牌", broken: "日志无法读取：{why}",
    settled_of: "{settled} / {total} 个号码，{share} %。{end}", settled: "{settled} 个号码。{end}",
    ends: "预计 {time} 结束。", ended: "已完成。", unknown_end: "",
    accepted: "已呼叫", answered: "已接通", failed: "失败", unreported: "暂无报告", unknown: "结果未知",
    refused: "被拒绝", not_sent: "未发送", under_way: "发送中", per_minute: "每分钟", cost: "费用",
    history: "每分钟号码数：最近 {last}，最高 {most}", key: "按键 {key}",
    details: "按键和失败统计截至 {time}。", reading: "正在读取按键和失败统计。",
    Notice: "语音通知", Marketing: "语音营销", VerificationCode: "语音验证码", VoiceSms: "语音短信",
  },
};
const TONES = { accepted: "good", refused: "bad", not_sent: "", unknown: "wait", under_way: "wait" };

const language = new Language(WORDS);
const say = (word, values) => language.say(word, values);
const counts = new Map();
let data = null;
let status = null;
const token = new URLSearchParams(location.search).get("token");

async function refresh() {
  if (!document.hidden) {
    try {
      const headers = token ? { authorization: `Bearer ${token}` } : {};
      const response = await fetch("data", { headers });
      if (response.status === 401) tell("no_token", "bad");
      else if (!response.ok) throw new Error();
      else {
        data = await response.json();
        if (data.error) tell("broken", "bad", { why: data.error });
        else tell("live", "good");
        if (data.states) show();
      }
    } catch {
      tell("lost", "bad");
    }
  }
  setTimeout(refresh, EVERY);
}

function tell(word, tone, values = {}) {
  status = [word, tone, values];
  byId("connection").dataset.tone = tone;
  setText(byId("connection"), say(word, values));
}

function show() {
  const kind = data.kind in WORDS.en ? say(data.kind) : data.kind;
  const begun = new Date(data.begun_at).toLocaleString(language.locale, { hour12: false });
  setText(byId("about"), say("about", { kind, app_id: data.app_id, name: data.name, begun }));
  showProgress();
  const texts = byId("texts");
  texts.hidden = data.texts.length === 0;
  setText(texts, data.texts.join("\n"));
  for (const name of ["accepted", "answered", "failed", "unreported", "unknown", "per_minute", "cost"]) {
    const value = name === "accepted" || name === "unknown" ? data.states[name] : data[name];
    count(name).parentElement.hidden = value === null;
    setText(count(name), value === null ? "" : language.number(name === "per_minute" ? Math.round(value) : value));
  }
  showHistory();
  const all = Object.values(data.states).reduce((sum, one) => sum + one, 0);
  bars("states", Object.entries(data.states).filter(([, number]) => number)
    .map(([state, number]) => [say(state), number, TONES[state]]), all);
  bars("reports", data.reports.map((one) => [reportName(one), one.count, /^(SUCCESS|4)$/.test(one.state) ? "good" : "bad"]),
    data.answered + data.failed);
  const keys = Object.entries(data.keys ?? {});
  bars("keys", keys.map(([key, number]) => [say("key", { key }), number, ""]), keys.reduce((sum, [, one]) => sum + one, 0));
  byId("failures").replaceChildren(...(data.failures ?? []).map(failure));
  byId("no-reports").hidden = data.reports.length > 0;
  byId("no-keys").hidden = keys.length > 0;
  byId("no-failures").hidden = (data.failures ?? []).length > 0;
  setText(byId("details-at"), data.details_at ? say("details", { time: language.time(data.details_at) }) : say("reading"));
}

function showProgress() {
  const { settled, total, seconds_left: left } = data;
  let end = say("unknown_end");
  if (left !== null && total !== null) {
    end = left <= 0 ? say("ended") : say("ends", { time: new Date(Date.now() + left * 1000).toLocaleTimeString(language.locale, { hour12: false, hour: "2-digit", minute: "2-digit" }) });
  }
  const bar = byId("progress");
  bar.hidden = total === null;
  if (total === null) {
    setText(byId("progress-text"), say("settled", { settled: language.number(settled), end }));
    return;
  }
  const share = total ? Math.min(1, settled / total) : 1;
  bar.value = share;
  setText(byId("progress-text"), say("settled_of", {
    settled: language.number(settled), total: language.number(total), share: (share * 100).toFixed(1), end,
  }));
}

function count(name) {
  if (!counts.has(name)) {
    const value = element("dd");
    byId("counts").append(element("div", { class: "count" }, element("dt", { "data-word": name }, say(name)), value));
    counts.set(name, value);
  }
  return counts.get(name);
}

function showHistory() {
  const rates = data.history.map(([, rate]) => rate);
  const most = Math.max(1, ...rates);
  const rects = rates.map((rate, place) => {
    const height = (rate / most) * HEIGHT;
    return drawing("rect", { class: "all", x: place * 4, y: HEIGHT - height, width: 3, height });
  });
  const width = Math.max(60, rates.length) * 4;
  const picture = drawing("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, ...rects);
  const values = { last: language.number(Math.round(rates.at(-1) ?? 0)), most: language.number(Math.round(rates.length ? most : 0)) };
  picture.setAttribute("aria-label", say("history", values));
  byId("rate").replaceChildren(picture, element("p", { class: "muted small" }, say("history", values)));
}

function bars(id, rows, all) {
  byId(id).replaceChildren(...rows.map(([name, number, tone]) => {
    const share = all ? number / all : 0;
    const picture = drawing("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
      drawing("rect", { x: 0, y: 0, width: Math.max(0.5, share * 100), height: 4 }));
    return element("li", { "data-tone": tone },
      element("p", { class: "line" }, element("span", {}, name), element("span", {}, `${language.number(number)} · ${(share * 100).toFixed(1)} %`)), picture);
  }));
}

function reportName(one) {
  const meaning = one[language.current];
  return meaning ? `${one.state} ${meaning}` : one.state;
}

function failure(one) {
  return element("li", {}, element("p", { class: "line" },
    element("strong", { class: "number" }, one.mobile),
    element("span", { class: "badge", "data-tone": one.outcome === "unknown" ? "wait" : "bad" }, one.outcome === "accepted" ? say("failed") : say(one.outcome)),
    element("span", {}, [one.reason, one[language.current]].filter(Boolean).join(" ")),
    element("time", { class: "muted", datetime: one.at }, language.time(one.at))));
}

function speak(wanted) {
  language.use(wanted);
  if (status) tell(...status);
  if (data?.states) show();
}

choosing(byId("theme"), "auto", useTheme);
choosing(byId("language"), browserLanguage(), speak);
refresh();
