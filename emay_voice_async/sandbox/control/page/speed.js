// The speed windows as a small live picture: slots used, refusals, and the last minute.

import { byId, drawing, element, setText } from "./dom.js";
import { say } from "./words.js";

const SECONDS = 60;
const MOST_SLOTS = 30;
const HEIGHT = 40;
const KINDS = { send: "send", reports: "reports", balance: "balance_kind" };

export class Speed {
  constructor() {
    this.windows = byId("windows");
    this.history = byId("history");
    this.bins = new Array(SECONDS).fill(null).map(() => [0, 0]);
    this.known = null;
    this.shown = "";
    setInterval(() => this.tick(), 1000);
  }

  show(windows, several) {
    const key = JSON.stringify([windows, document.documentElement.lang]);
    if (key === this.shown) return;
    this.shown = key;
    if (windows.length === 0) {
      this.windows.replaceChildren(element("p", { class: "muted" }, say("unlimited")));
      return;
    }
    this.windows.replaceChildren(...windows.map((one) => windowRow(one, several)));
  }

  count(counts) {
    const now = [counts.requests, counts.over_speed];
    if (this.known) {
      const bin = this.bins[SECONDS - 1];
      bin[0] += Math.max(0, now[0] - this.known[0]);
      bin[1] += Math.max(0, now[1] - this.known[1]);
    }
    this.known = now;
    this.draw();
  }

  tick() {
    this.bins.shift();
    this.bins.push([0, 0]);
    this.draw();
  }

  draw() {
    const count = this.bins.reduce((sum, bin) => sum + bin[0], 0);
    const refused = this.bins.reduce((sum, bin) => sum + bin[1], 0);
    const most = Math.max(1, ...this.bins.map((bin) => bin[0]));
    const bars = this.bins.flatMap(([all, bad], place) => [
      bar(place, all, most, "all"), bar(place, Math.min(bad, all), most, "bad"),
    ].filter((one) => one !== null));
    const picture = drawing("svg", { viewBox: `0 0 ${SECONDS * 4} ${HEIGHT}`, role: "img", preserveAspectRatio: "none" }, ...bars);
    picture.setAttribute("aria-label", say("history", { count, refused }));
    const caption = element("p", { class: "muted small" });
    setText(caption, say("last_minute", { count, refused }));
    this.history.replaceChildren(picture, caption);
  }
}

function bar(place, count, most, kind) {
  if (count === 0) return null;
  const height = Math.max(2, (count / most) * HEIGHT);
  return drawing("rect", { class: kind, x: place * 4, y: HEIGHT - height, width: 3, height });
}

function windowRow(one, several) {
  const numbers = say("used", one);
  const slots = element("div", { class: "slots", "aria-hidden": "true" });
  const scale = one.requests > MOST_SLOTS ? MOST_SLOTS / one.requests : 1;
  const shown = Math.min(one.requests, MOST_SLOTS);
  for (let slot = 0; slot < shown; slot += 1) {
    slots.append(element("span", { class: slot < Math.ceil(one.used * scale) ? "slot used" : "slot" }));
  }
  const name = say(KINDS[one.kind]);
  return element("div", { class: "window" },
    element("p", { class: "line" }, element("strong", {}, several ? `${name} · ${one.app_id}` : name),
      element("span", { class: "muted" }, numbers),
      one.refused ? element("span", { class: "badge", "data-tone": "bad" }, say("refused", { count: one.refused })) : null),
    slots);
}
