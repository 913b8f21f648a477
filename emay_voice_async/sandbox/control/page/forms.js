// The forms: faults to plan, a push, and the settings of the account.

import { byId, element } from "./dom.js";
import { change } from "./server.js";
import { say } from "./words.js";

const FIELDS = {
  reset: ["acts"], cut: [], status: ["status", "acts"], html: ["acts"], empty: ["acts"],
  answer: ["body", "status", "content_type", "acts"], truncated: [], code: ["code"], gzipped: [],
  content_type: ["content_type"], delay: [],
};
const ON = ["send", "reports", "balance"];
const PATHS = ["/voice/send", "/voice/sendVFCode", "/voice/sendCTCode", "/voice/getReport", "/voice/getBalance",
  "/join/send", "/join/getReport", "/join/getBalance"];
const SURE_FOR = 4000;

export class Forms {
  constructor(refresh) {
    this.refresh = refresh;
    this.faults = byId("fault-form");
    this.push = byId("push-form");
    this.settings = byId("settings-form");
    this.state = null;
    this.faults.kind.addEventListener("change", () => this.showFields());
    onSubmit(this.faults, () => this.plan());
    onSubmit(this.push, () => this.pushNow());
    onSubmit(this.settings, () => this.apply());
    onClick("clear-faults", this.faults, async () => {
      await change("DELETE", "faults");
      return say("faults_dropped");
    }, refresh);
    onSure("clear-records", this.settings, async () => {
      await change("POST", "reset", { records_only: true });
      return say("records_cleared");
    }, refresh);
    onSure("reset", this.settings, async () => {
      await change("POST", "reset");
      this.filled = null;
      return say("was_reset");
    }, refresh);
    this.settings.app_id.addEventListener("change", () => this.fill());
  }

  useWords(codes) {
    const { on, kind } = this.faults;
    const chosen = [on.value, kind.value || "code"];
    on.replaceChildren(option("", say("any")), ...ON.map((one) => option(one, say(one === "balance" ? "balance_kind" : one))),
      ...PATHS.map((path) => option(path, path)));
    kind.replaceChildren(...Object.keys(FIELDS).map((one) => option(one, say(`fault_${one}`))));
    [on.value, kind.value] = chosen;
    byId("codes").replaceChildren(...Object.keys(codes).filter((code) => code !== "SUCCESS").map((code) => option(code, code)));
    this.showFields();
  }

  showFields() {
    const wanted = FIELDS[this.faults.kind.value];
    for (const label of this.faults.querySelectorAll("[data-for]")) {
      const field = label.dataset.for;
      label.hidden = field !== "delay" && !wanted.includes(field);
    }
  }

  show(state) {
    this.state = state;
    byId("planned").replaceChildren(...state.faults.map((fault) => {
      const left = say(fault.times === null ? "left_always" : "left_times", fault);
      const on = fault.on === null ? say("any") : ON.includes(fault.on) ? say(fault.on === "balance" ? "balance_kind" : fault.on) : fault.on;
      return element("li", {}, say("planned_fault", { name: fault.name, on, left }));
    }));
    const ids = state.accounts.map((account) => account.app_id);
    const select = this.settings.app_id;
    if (select.childElementCount !== ids.length) {
      select.replaceChildren(...ids.map((id) => option(id, id)));
      byId("accounts").hidden = ids.length < 2;
    }
    this.fill();
  }

  // Fill the settings in, unless someone is changing them.
  fill() {
    const account = this.state.accounts.find((one) => one.app_id === this.settings.app_id.value);
    const { settings } = this.state;
    const values = {
      balance: account.balance, price: account.price, report_delay: settings.report_delay, latency: settings.latency,
      send: account.rate_limits.send?.requests ?? "", answer_rate: Math.round(settings.answer_rate * 1e4) / 100,
    };
    const before = this.filled ?? {};
    for (const [name, value] of Object.entries(values)) {
      const input = this.settings.elements[name];
      const touched = document.activeElement === input || (name in before && input.value !== String(before[name]));
      if (!touched) input.value = value;
      else values[name] = before[name];
    }
    this.filled = values;
  }

  async plan() {
    const form = this.faults;
    const fault = { kind: form.kind.value, before: Number(form.before.value), after: Number(form.after.value) };
    for (const field of FIELDS[fault.kind]) {
      const input = form.elements[field];
      fault[field] = field === "acts" ? input.checked : field === "status" ? Number(input.value) : input.value;
    }
    const times = form.times.value === "" ? null : Number(form.times.value);
    await change("POST", "faults", { on: form.on.value || null, fault, skip: Number(form.skip.value), times });
    this.refresh();
    return say("fault_planned");
  }

  async pushNow() {
    const { deliveries } = await change("POST", "push", { url: this.push.url.value, mode: this.push.mode.value });
    this.refresh();
    if (deliveries.length === 0) return say("nothing_to_push");
    return deliveries.map((one) => {
      const why = one.status === null ? say("no_response", { why: one.body }) : `HTTP ${one.status}: ${one.body.slice(0, 80)}`;
      return say(one.delivered ? "pushed" : "not_pushed", { count: one.reports, why });
    }).join(" ");
  }

  async apply() {
    const form = this.settings;
    const account = this.state.accounts.find((one) => one.app_id === form.app_id.value);
    const period = account.rate_limits.send?.period ?? 1;
    const send = form.send.value === "" ? null : { requests: Number(form.send.value), period };
    await change("PATCH", "account", {
      app_id: account.app_id, balance: form.balance.value.trim(), price: form.price.value.trim(), rate_limits: { send },
    });
    await change("PATCH", "settings", {
      report_delay: Number(form.report_delay.value), latency: Number(form.latency.value),
      answer_rate: Number(form.answer_rate.value) / 100,
    });
    this.filled = null;
    this.refresh();
    return say("applied");
  }
}

function option(value, text) {
  return element("option", { value }, text);
}

async function saying(form, deed) {
  const said = form.querySelector(".said");
  try {
    said.textContent = await deed();
    said.dataset.tone = "good";
  } catch (error) {
    said.textContent = say("failed", { why: error.message });
    said.dataset.tone = "bad";
  }
}

function onSubmit(form, deed) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    saying(form, deed);
  });
}

function onClick(id, form, deed, refresh) {
  byId(id).addEventListener("click", async () => {
    await saying(form, deed);
    refresh();
  });
}

// What cannot be undone is done at the second press.
function onSure(id, form, deed, refresh) {
  const button = byId(id);
  let timer = null;
  const rest = () => {
    clearTimeout(timer);
    timer = null;
    button.textContent = say(button.dataset.word);
  };
  button.addEventListener("click", async () => {
    if (timer === null) {
      button.textContent = say("sure");
      timer = setTimeout(rest, SURE_FOR);
      return;
    }
    rest();
    await saying(form, deed);
    refresh();
  });
}
