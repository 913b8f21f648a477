// The words of the page in both languages, and the meanings that the service knows.

import { Language } from "./language.js";

const WORDS = {
  en: {
    skip: "Skip to the calls", title: "Local voice service", nobody: "Nobody is called.",
    connecting: "Connecting", live: "Live", lost: "Connection lost, trying again",
    language: "Language", theme: "Colours", theme_auto: "As the system", theme_light: "Light", theme_dark: "Dark",
    overview: "Overview", balance: "Balance", calls: "Calls", requests: "Requests", too_fast: "Refused as too fast",
    waiting: "Reports waiting", planned: "Faults planned",
    keys_hint: "Keyboard: ↑ ↓ choose a call, 0–9 press that key, A answer, H hang up, U unreachable.",
    no_calls: "No call yet. Send one to this address.", no_requests: "No request yet.", more: "Show more",
    notice: "Notice", code_call: "Verification code", marketing: "Marketing", voice_sms: "Voice SMS",
    interactive: "Asks for a key", voicemail: "Asks for a message", sms: "Text message", custom_id: "Custom id",
    ringing: "Ringing", ringing_for: "Ringing, report in {seconds} s", undecided: "Ringing, no report planned",
    ready: "report ready", taken: "report taken", comma: ", ", pressed: "pressed {key}", recorded: "left a recording",
    answer: "Answer", hang_up: "Hang up", unreachable: "Unreachable", press: "Press {key}",
    keypad: "Keys", call_to: "Call to {number}", decided: "Call to {number}: {outcome}",
    speed: "Speed limit", send: "Sends", reports: "Reports", balance_kind: "Balance",
    used: "{used} of {requests} in {period} s", refused: "{count} refused", unlimited: "No limit.",
    history: "Requests in the last minute: {count}, refused as too fast: {refused}",
    last_minute: "Last minute: {count} requests, {refused} refused",
    faults: "Faults", on: "Request", kind: "Fault", any: "Any request", code: "Result code", status: "HTTP status",
    body: "Body", content_type: "Content type", acts: "The service acts on the request",
    before: "Delay before acting, s", after: "Delay of the response, s", skip_count: "Succeed first",
    times: "Then fail (empty: always)", plan: "Plan the fault", clear_faults: "Drop all faults",
    planned_fault: "{name}, {on}: {left}", left_times: "{skip} succeed, then {times} fail; {seen} seen",
    left_always: "{skip} succeed, then all fail; {seen} seen", fault_planned: "Planned.", faults_dropped: "Dropped.",
    fault_reset: "Connection reset", fault_cut: "Response cut off", fault_status: "HTTP status and a page",
    fault_html: "Login page instead of JSON", fault_empty: "Empty response", fault_answer: "Any body",
    fault_truncated: "Half of the JSON", fault_code: "Refused with a result code", fault_gzipped: "Compressed",
    fault_content_type: "Another content type", fault_delay: "Late",
    push: "Push reports", url: "URL of your receiver", mode: "Body", mode_encrypted: "Encrypted", mode_json: "JSON",
    mode_form: "Form", push_now: "Push now", nothing_to_push: "No report is ready.",
    pushed: "{count} reports: confirmed.", not_pushed: "{count} reports: not confirmed ({why}). They stay.",
    no_response: "no response: {why}",
    settings: "Account and settings", account: "Account", price: "Price of a call", report_delay: "Report after, s",
    latency: "Latency, s", send_limit: "Sends per second", answer_rate: "People who answer, %",
    apply: "Apply", applied: "Applied.", clear_records: "Clear the records", reset: "Reset everything",
    sure: "Really? Press again", records_cleared: "Records cleared.", was_reset: "Everything is as at the start.",
    fields: "Form fields", whole: "Show whole values", fault: "Fault: {name}", no_response_sent: "no response",
    client: "From {client}", field: "Field", value: "Value",
    new_calls: "{count} new calls", openapi: "Control API (OpenAPI)", record: "Everything as JSON lines",
    failed: "Failed: {why}",
  },
  zh: {
    skip: "跳到呼叫列表", title: "本地语音服务", nobody: "不会真正拨打电话。",
    connecting: "正在连接", live: "实时", lost: "连接已断开，正在重试",
    language: "语言", theme: "配色", theme_auto: "跟随系统", theme_light: "浅色", theme_dark: "深色",
    overview: "概览", balance: "余额", calls: "呼叫", requests: "请求", too_fast: "超速被拒",
    waiting: "待取报告", planned: "已安排的故障",
    keys_hint: "键盘：↑ ↓ 选择呼叫，0–9 按键，A 接听，H 挂断，U 无法接通。",
    no_calls: "还没有呼叫，请向本地址发送一条。", no_requests: "还没有请求。", more: "显示更多",
    notice: "语音通知", code_call: "语音验证码", marketing: "语音营销", voice_sms: "语音短信",
    interactive: "按键提示", voicemail: "留言提示", sms: "短信", custom_id: "自定义 ID",
    ringing: "振铃中", ringing_for: "振铃中，{seconds} 秒后出报告", undecided: "振铃中，未安排报告",
    ready: "报告可取", taken: "报告已取", comma: "，", pressed: "按了 {key}", recorded: "留了录音",
    answer: "接听", hang_up: "挂断", unreachable: "无法接通", press: "按 {key}",
    keypad: "按键", call_to: "呼叫 {number}", decided: "呼叫 {number}：{outcome}",
    speed: "速度限制", send: "发送", reports: "取报告", balance_kind: "查余额",
    used: "{period} 秒内 {used} / {requests}", refused: "拒绝 {count} 次", unlimited: "不限速。",
    history: "最近一分钟请求 {count} 次，超速被拒 {refused} 次",
    last_minute: "最近一分钟：请求 {count} 次，被拒 {refused} 次",
    faults: "故障", on: "请求", kind: "故障", any: "任何请求", code: "结果码", status: "HTTP 状态",
    body: "响应内容", content_type: "内容类型", acts: "服务已处理该请求",
    before: "处理前延迟（秒）", after: "响应延迟（秒）", skip_count: "先成功几次",
    times: "再失败几次（空：一直）", plan: "安排故障", clear_faults: "取消全部故障",
    planned_fault: "{name}，{on}：{left}", left_times: "先成功 {skip} 次，再失败 {times} 次；已到 {seen} 次",
    left_always: "先成功 {skip} 次，之后全部失败；已到 {seen} 次", fault_planned: "已安排。", faults_dropped: "已取消。",
    fault_reset: "连接被重置", fault_cut: "响应中断", fault_status: "HTTP 状态和网页",
    fault_html: "返回登录页而非 JSON", fault_empty: "空响应", fault_answer: "任意内容",
    fault_truncated: "半截 JSON", fault_code: "以结果码拒绝", fault_gzipped: "压缩响应",
    fault_content_type: "其他内容类型", fault_delay: "延迟",
    push: "推送报告", url: "接收地址", mode: "内容", mode_encrypted: "加密", mode_json: "JSON",
    mode_form: "表单", push_now: "立即推送", nothing_to_push: "没有可推送的报告。",
    pushed: "{count} 条报告：已确认。", not_pushed: "{count} 条报告：未确认（{why}），仍然保留。",
    no_response: "无响应：{why}",
    settings: "账号与设置", account: "账号", price: "每次呼叫价格", report_delay: "报告延迟（秒）",
    latency: "网络延迟（秒）", send_limit: "每秒发送次数", answer_rate: "接听比例（%）",
    apply: "应用", applied: "已应用。", clear_records: "清除记录", reset: "全部重置",
    sure: "确定吗？再按一次", records_cleared: "记录已清除。", was_reset: "已恢复到初始状态。",
    fields: "表单字段", whole: "显示完整内容", fault: "故障：{name}", no_response_sent: "无响应",
    client: "来自 {client}", field: "字段", value: "值",
    new_calls: "新增 {count} 个呼叫", openapi: "控制接口（OpenAPI）", record: "全部记录（JSON lines）",
    failed: "失败：{why}",
  },
};

const language = new Language(WORDS);
let meanings = { codes: {}, states: {} };

export const useLanguage = (wanted) => language.use(wanted);
export const say = (word, values) => language.say(word, values);
export const time = (text) => language.time(text);
export const number = (value) => language.number(value);

export function useMeanings(found) {
  meanings = found;
}

// The meaning of a result code in the language of the page, then in the other one.
export function codeMeaning(code) {
  const found = meanings.codes[code];
  if (!found) return "";
  return language.current === "zh" ? `${found.zh} · ${found.en}` : `${found.en} · ${found.zh}`;
}

export function stateMeaning(state) {
  return meanings.states[state]?.[language.current] ?? "";
}
