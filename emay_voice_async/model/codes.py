"""The document's tables of result codes (3.2, 3.4) and call states (3.1, 3.3).

The service adds codes and states over the years. Unlisted codes and states are kept as plain
text and are no error.
"""

from enum import Enum, StrEnum
from typing import Self

__all__ = [
    "JOIN_MEANINGS",
    "JOIN_RESULT_CODES",
    "JOIN_STATES",
    "VOICE_RESULT_CODES",
    "VOICE_STATES",
    "CallState",
    "ResultCode",
    "call_state",
    "result_code",
]


class ResultCode(StrEnum):
    """The result of a request; ``meaning`` is the document's text, ``english`` a short translation."""

    meaning: str
    english: str

    def __new__(cls, code: str, meaning: str = "", english: str = "") -> Self:
        """Make a code that carries its meanings."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.english = english
        return member

    SUCCESS = "SUCCESS", "提交成功", "accepted"
    ERROR_APPID = "ERROR_APPID", "AppId 不存在", "no such appId"
    ERROR_PARAMS = "ERROR_PARAMS", "请求参数错误", "wrong parameters"
    ERROR_CLIENT_IP = "ERROR_CLIENT_IP", "不识别的 Ip", "client address not allowed"
    ERROR_TIMESTAMP = "ERROR_TIMESTAMP", "时间戳错误", "timestamp malformed or too far off"
    ERROR_SIGN = "ERROR_SIGN", "签名错误", "wrong signature"
    ERROR_MOBILE_EMPTY = "ERROR_MOBILE_EMPTY", "手机号为空", "no mobile number"
    ERROR_MOBILE_NUMBER = "ERROR_MOBILE_NUMBER", "号码数量过多", "too many mobile numbers"
    ERROR_MOBILE_ERROR = "ERROR_MOBILE_ERROR", "手机号码错误", "no valid mobile number"
    ERROR_CONTENT_EMPTY = "ERROR_CONTENT_EMPTY", "语音内容为空", "no content"
    ERROR_LONG_CONTENT = "ERROR_LONG_CONTENT", "语音内容过长", "content too long"
    ERROR_VERIFICATION_CODE_CONTENT = (
        "ERROR_VERIFICATION_CODE_CONTENT",
        "短信语音验证码内容错误",
        "not a verification code",
    )
    ERROR_CUSTOM_VOICE_ID = "ERROR_CUSTOM_VOICE_ID", "自定义语音 ID 错误", "wrong custom id"
    ERROR_NEEDMORE_BALANCE = "ERROR_NEEDMORE_BALANCE", "余额不足", "not enough money"
    ERROR_CUSTOM_VOICE_ID_NUMBER = (
        "ERROR_CUSTOM_VOICE_ID_NUMBER",
        "自定义语音 ID 数量错误",
        "custom ids do not match the numbers one to one",
    )
    ERROR_OVER_SPEED = "ERROR_OVER_SPEED", "请求超速", "too many requests"
    ERROR_MESSAGE_TYPE = "ERROR_MESSAGE_TYPE", "服务号类型不匹配", "the appId is for another service"
    ERROR_TRIGGERCONDITIONS = "ERROR_TRIGGERCONDITIONS", "触发条件错误", "wrong trigger condition"
    ERROR_TIMINGTIME = "ERROR_TIMINGTIME", "发送短信定时时间格式错误", "wrong format of the timed sending"
    ERROR_KEYCONTENT = "ERROR_KEYCONTENT", "按键内容必须为数字", "the key must be a digit"
    ERROR_CONNECTTIME = (
        "ERROR_CONNECTTIME",
        "连通时间在 6-60 秒内",
        "the connected time must be 6 to 60 seconds",
    )
    ERROR_ISACOUSTICSIGN = "ERROR_ISACOUSTICSIGN", "留言标识错误", "wrong voicemail flag"
    ERROR_ISINTERACTIVE = "ERROR_ISINTERACTIVE", "互动标识错误", "wrong interactive flag"
    ERROR_CUSTOM_JOIN_ID = "ERROR_CUSTOM_JOIN_ID", "自定义 ID 错误", "wrong custom id"
    # The document's own spelling in table 3.4.
    ERROR_NEEDMORE_BLANCE = "ERROR_NEEDMORE_BLANCE", "余额不足", "not enough money"
    ERROR_CUSTOM_JOIN_ID_NUMBER = (
        "ERROR_CUSTOM_JOIN_ID_NUMBER",
        "自定义 ID 数量错误",
        "custom ids do not match the numbers one to one",
    )
    ERROR_TIMING = "ERROR_TIMING", "暂不支持定时外呼", "timed calls are not supported"
    ERROR_TRIGGER = "ERROR_TRIGGER", "无效值", "invalid value"


_JOIN_ONLY = frozenset(
    {
        ResultCode.ERROR_TRIGGERCONDITIONS,
        ResultCode.ERROR_TIMINGTIME,
        ResultCode.ERROR_KEYCONTENT,
        ResultCode.ERROR_CONNECTTIME,
        ResultCode.ERROR_ISACOUSTICSIGN,
        ResultCode.ERROR_ISINTERACTIVE,
        ResultCode.ERROR_CUSTOM_JOIN_ID,
        ResultCode.ERROR_NEEDMORE_BLANCE,
        ResultCode.ERROR_CUSTOM_JOIN_ID_NUMBER,
        ResultCode.ERROR_TIMING,
        ResultCode.ERROR_TRIGGER,
    }
)
_VOICE_ONLY = frozenset(
    {
        ResultCode.ERROR_VERIFICATION_CODE_CONTENT,
        ResultCode.ERROR_CUSTOM_VOICE_ID,
        ResultCode.ERROR_NEEDMORE_BALANCE,
        ResultCode.ERROR_CUSTOM_VOICE_ID_NUMBER,
        ResultCode.ERROR_OVER_SPEED,
        ResultCode.ERROR_MESSAGE_TYPE,
    }
)
VOICE_RESULT_CODES = frozenset(ResultCode) - _JOIN_ONLY
"""Table 3.2: the codes of notifications, verification codes and marketing calls."""
JOIN_RESULT_CODES = frozenset(ResultCode) - _VOICE_ONLY
"""Table 3.4: the codes of voice SMS."""


_BY_TEXT = {code.value: code for code in ResultCode}


def result_code(text: str) -> ResultCode | str:
    """Return the listed code that ``text`` names, or ``text`` itself."""
    return _BY_TEXT.get(text, text)


class CallState(Enum):
    """How a call ended; ``meaning`` is the document's text, ``english`` a short translation."""

    meaning: str
    english: str

    def __new__(cls, state: str, meaning: str = "", english: str = "") -> Self:
        """Make a state that carries its meanings."""
        member = object.__new__(cls)
        member._value_ = state
        member.meaning = meaning
        member.english = english
        return member

    SUCCESS = "SUCCESS", "成功", "answered"
    FAIL_CALL = "FAIL_CALL", "呼叫失败", "call failed"
    FAIL_ERROR_VOICE = "FAIL_ERROR_VOICE", "错误工单", "faulty work order"
    FAIL_UNKNOWN = "FAIL_UNKNOWN", "未知失败", "failed, cause unknown"
    TIMEOUT = "TIMEOUT", "状态报告超时", "no report in time"
    FAIL_NEEDMORE_BALANCE = "FAIL_NEEDMORE_BALANCE", "余额不足", "not enough money"
    FAIL_MOBILE = "FAIL_MOBILE", "手机号错误", "wrong mobile number"
    FAIL_BLACKDICTIONARY = "FAIL_BLACKDICTIONARY", "内容有黑词", "black-listed content"
    FAIL_AUDITINGFAIL = "FAIL_AUDITINGFAIL", "审核失败", "content not approved"
    FAIL_APPID = "FAIL_APPID", "APPID 错误", "wrong appId"
    FAIL = "FAIL", "失败", "failed"
    """A failed voice SMS (state 2 of table 3.3)."""
    OTHER = "OTHER", "", "not in the API document"
    """An unlisted state; the report keeps the text in ``raw_state``."""


VOICE_STATES = {state.value: state for state in CallState if state not in (CallState.FAIL, CallState.OTHER)}
"""Table 3.1: the state texts of notifications, verification codes and marketing calls."""
JOIN_STATES = {"4": CallState.SUCCESS, "3": CallState.TIMEOUT, "2": CallState.FAIL}
"""Table 3.3: the state texts of voice SMS."""
JOIN_MEANINGS = {"4": "成功", "3": "超时", "2": "失败"}
"""Table 3.3: the document's meanings; a timeout is worded differently in table 3.1."""

_BY_STATE = {**VOICE_STATES, **JOIN_STATES}


def call_state(text: str) -> CallState:
    """Return the state that ``text`` stands for, in either product; an unlisted state is OTHER."""
    return _BY_STATE.get(text, CallState.OTHER)
