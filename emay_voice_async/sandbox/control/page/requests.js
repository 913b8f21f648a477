// The requests that arrived: form fields, and the result code explained in both languages.

import { byId, element, Rows, setText } from "./dom.js";
import { read } from "./server.js";
import { shownNumber } from "./calls.js";
import { codeMeaning, say, time } from "./words.js";

const NUMBERS = new Set(["mobile", "mobiles"]);

export class Requests {
  constructor() {
    this.masked = true;
    this.rows = new Rows(byId("request-list"), (request) => request.place, (request) => this.make(request), update);
  }

  show(state) {
    this.masked = !state.show_numbers;
    this.rows.show(state.requests);
    byId("no-requests").hidden = state.requests.length > 0;
  }

  clear() {
    this.rows.clear();
  }

  make(request) {
    const row = element("li", { class: "request" });
    row.parts = {
      code: element("span", { class: "badge" }),
      meaning: element("span", { class: "meaning" }),
      fault: element("span", { class: "tag", hidden: true }),
    };
    const summary = element("summary", {},
      element("time", { class: "muted", datetime: request.at }, time(request.at)), " ",
      element("code", {}, `${request.method} ${request.path}`), " ",
      row.parts.code, " ", row.parts.meaning, " ", row.parts.fault);
    const table = element("table");
    const show = (fields) => table.replaceChildren(...this.fieldRows(fields));
    const whole = element("button", { type: "button", onclick: async () => {
      show((await read(`requests/${request.place}`)).fields);
      whole.hidden = true;
    } }, say("whole"));
    whole.hidden = !Object.values(request.fields).some((value) => value.endsWith("…"));
    const details = element("details", { ontoggle: () => details.open && !table.childElementCount && show(request.fields) },
      summary, element("p", { class: "muted small" }, say("client", { client: request.client })), table, whole);
    row.append(details);
    return row;
  }

  fieldRows(fields) {
    const head = element("tr", {}, element("th", { scope: "col" }, say("field")), element("th", { scope: "col" }, say("value")));
    return [head, ...Object.entries(fields).map(([name, value]) =>
      element("tr", {}, element("th", { scope: "row" }, element("code", {}, name)),
        element("td", {}, NUMBERS.has(name) ? shownNumber(value, this.masked) : value)))];
  }
}

function update(row, request) {
  const { code, meaning, fault } = row.parts;
  setText(code, request.code ?? (request.status === null ? say("no_response_sent") : `HTTP ${request.status}`));
  code.dataset.tone = request.code === "SUCCESS" ? "good" : "bad";
  setText(meaning, request.code ? codeMeaning(request.code) : "");
  fault.hidden = request.fault === null;
  if (request.fault !== null) setText(fault, say("fault", { name: request.fault }));
}
