// The page: it reads the state when the service says that something changed, a few times a second at most.

import { Calls } from "./calls.js";
import { byId, element, setText } from "./dom.js";
import { Forms } from "./forms.js";
import { browserLanguage, choosing, useTheme } from "./language.js";
import { Requests } from "./requests.js";
import { read } from "./server.js";
import { Speed } from "./speed.js";
import { number, say, useLanguage, useMeanings } from "./words.js";

const PAUSE = 500;
const CALM = 5000;
const STEP = 50;
const MOST = 500;

const calls = new Calls(announce);
const requests = new Requests();
const speed = new Speed();
const forms = new Forms(() => plan());
const counts = new Map();
let codes = {};
let state = null;
let limit = STEP;
let planned = null;
let reading = false;
let stale = false;
let connection = "connecting";

function plan() {
  stale = true;
  if (planned === null && !reading && !document.hidden) planned = setTimeout(refresh, state === null ? 0 : PAUSE);
}

async function refresh() {
  planned = null;
  reading = true;
  stale = false;
  try {
    show(await read(`state?limit=${limit}`));
  } catch {
    stale = true;
  } finally {
    reading = false;
  }
  if (stale) planned = setTimeout(refresh, PAUSE * 4);
}

function show(found) {
  state = found;
  const shown = {
    balance: found.accounts.map((account) => number(account.balance)).join(" / "),
    calls: number(found.counts.calls), requests: number(found.counts.requests),
    too_fast: number(found.counts.over_speed), waiting: number(found.counts.reports_waiting),
    planned: number(found.faults.length),
  };
  for (const [name, value] of Object.entries(shown)) setText(count(name), value);
  count("too_fast").dataset.tone = found.counts.over_speed ? "bad" : "";
  calls.show(found);
  requests.show(found);
  speed.show(found.speed, found.accounts.length > 1);
  forms.show(found);
  byId("more-calls").hidden = found.calls_before === null || limit >= MOST;
  byId("more-requests").hidden = found.requests_before === null || limit >= MOST;
}

function count(name) {
  if (!counts.has(name)) {
    const value = element("dd");
    byId("counts").append(element("div", { class: "count" }, element("dt", { "data-word": name }, say(name)), value));
    counts.set(name, value);
  }
  return counts.get(name);
}

// One sentence at a time, and not more often than every few seconds, for who listens to the page.
let toSay = 0;
let saidAt = 0;
let timer = null;
function announce(text) {
  byId("announcer").textContent = text;
  saidAt = Date.now();
}
function announceCalls(fresh) {
  toSay += fresh;
  if (toSay === 0 || timer !== null) return;
  timer = setTimeout(() => {
    announce(say("new_calls", { count: toSay }));
    toSay = 0;
    timer = null;
  }, Math.max(500, saidAt + CALM - Date.now()));
}

function tellConnection(word) {
  connection = word;
  const node = byId("connection");
  node.dataset.word = word;
  node.dataset.tone = word === "live" ? "good" : word === "lost" ? "bad" : "wait";
  setText(node, say(word));
}

function listen() {
  const stream = new EventSource("events?counts_only=1");
  let known = null;
  stream.addEventListener("open", () => tellConnection("live"));
  stream.addEventListener("error", () => {
    tellConnection("lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, PAUSE * 10);
  });
  stream.addEventListener("change", (event) => {
    const found = JSON.parse(event.data);
    speed.count(found.counts);
    if (state) speed.show(found.speed, state.accounts.length > 1);
    if (known !== null) announceCalls(Math.max(0, found.counts.calls - known));
    known = found.counts.calls;
    plan();
  });
}

function speak(language) {
  useLanguage(language);
  forms.useWords(codes);
  tellConnection(connection);
  calls.clear();
  requests.clear();
  if (state) show(state);
}

for (const id of ["more-calls", "more-requests"]) {
  byId(id).addEventListener("click", () => {
    limit = Math.min(MOST, limit + STEP);
    plan();
  });
}
document.addEventListener("visibilitychange", () => stale && plan());

choosing(byId("theme"), "auto", useTheme);
choosing(byId("language"), browserLanguage(), speak);
const meanings = await read("meanings").catch(() => ({ codes: {}, states: {} }));
useMeanings(meanings);
codes = meanings.codes;
forms.useWords(codes);
listen();
plan();
