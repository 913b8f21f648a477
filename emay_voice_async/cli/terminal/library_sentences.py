"""The library's sentences in the language of the terminal.

The library speaks English, because its errors are for developers. The command line prints the usual sentences in the
chosen language: it knows them as templates, whose placeholders are read out of the printed text and filled again.
"""

import re
from functools import cache
from typing import Final

from emay_voice_async.cli.terminal.language import current_language, gettext, noop
from emay_voice_async.model.codes import ResultCode, result_code

__all__ = ["COMPOSED", "SENTENCES", "sentence"]

SENTENCES: Final = (
    noop("{path} was refused: {code}"),
    noop("{path} was not acted on: {reason} (HTTP {status}, {number} bytes)"),
    noop("{path} was not sent: {reason}"),
    noop("not sent: {reason}"),
    noop("no report came within {seconds} seconds"),
    noop("the journal: {reason}"),
    noop("the journal {where}: {reason}"),
    noop("must be http:// or https:// with a host, an optional port and an optional path"),
    noop("must end before the path of the endpoint: {address}"),
    noop("no host"),
    noop("no scheme"),
    noop("another scheme"),
    noop("white space"),
    noop("there was no connection to {where} within {seconds} seconds"),
    noop("no answer came within {seconds} seconds"),
    noop("no answer came at all"),
    noop("is closed; make a new one"),
    noop("the clock of this host is off by {duration}; requests are stamped accordingly"),
    noop("the deadline passed before there was a slot"),
    noop("the deadline passed before the request was sent"),
    noop("the client was closed before there was a slot"),
    noop("the pacer failed ({error})"),
    noop("{where} refused the connection"),
    noop("{where} closed the connection before the request"),
    noop("the network of {where} is unreachable"),
    noop("the network is down"),
    noop("{where} is unreachable"),
    noop("no connection to {where} in time"),
    noop("no connection to {where}"),
    noop("this process has too many open files"),
    noop("this host has too many open files"),
    noop("the connection to {where} broke before the response"),
    noop("the connection to {where} broke during the request"),
    noop("no response of {where} in time"),
    noop("{where} broke the rules of HTTP"),
    noop("the response of {where} cannot be decoded"),
    noop("the host name of {where} is unknown"),
    noop("the host name of {where} is not valid"),
    noop("the host name of {where} cannot be looked up at the moment"),
    noop("{where} does not speak TLS; check http or https in base_url"),
    noop("the certificate of {where} is not trusted: {reason}"),
    noop("the TLS handshake with {where} failed: {reason}"),
    noop("must not begin or end with white space"),
    noop("must be set in the environment"),
    noop("{request} is sent again: {reason}"),
    noop("the body is incomplete ({error})"),
    noop("the body has more than {number} bytes"),
    noop("it is not a file"),
    noop("it is a link of another user"),
    noop("other users can write to its folder: chmod go-w {folder}, or use another folder"),
    noop("{name} is not a file"),
    noop("{name} belongs to another user"),
    noop("other users can write to {name}: chmod go-w {file}"),
    noop("it was made for another account ({account})"),
    noop("it was made for another message (a {kind})"),
    noop("it was made with allow_duplicates={value}"),
    noop("another run of this journal may be sending it at this moment"),
    noop("another run of this journal is sending some of these numbers; run again for the others"),
    noop("must not be a duplicate: each number is called once"),
    noop("the service did not act on it"),
    noop("it does not exist"),
    noop("it is not a journal"),
    noop("it has version {version}, and this package reads version {known}"),
    noop("the process that sent it ended before the answer came"),
    noop("no run has begun in it yet"),
    noop(
        "it was cut off in the middle of a write: copy its side file along (the name ends with "
        "-wal) from where the run ended, or restore another copy"
    ),
    noop("it is a copy of a journal that a running process still writes to: use the original"),
    noop("another program has locked it"),
    noop("the disk is full"),
    noop("it is not a journal, or damaged"),
    noop("it is damaged, or was cut off in the middle of a write: copy its side file along"),
    noop("it cannot be written"),
    noop("it cannot be opened"),
    noop("it is damaged"),
    noop("it was moved, deleted or replaced while it was in use"),
    noop("must have the columns of the header"),
    noop("must be one number; give each number a row of its own"),
    noop("{number} columns"),
    noop("{number} numbers"),
    noop("must be {choice}: the file's name does not tell"),
    noop("must be text: name a workbook .xlsx or .xls (command line: --format xlsx), or save it as CSV"),
    noop('must be text in {encoding}; name another encoding, such as "big5" (command line: --encoding)'),
    noop('must be text: if it is UTF-16 without a byte order mark, name encoding="utf-16-le"'),
    noop("must be one that Python knows, such as gb18030"),
    noop("other bytes in line {line}"),
    noop("a workbook or an archive"),
    noop("must be a workbook of Excel (.xlsx or .xls)"),
    noop("a damaged workbook, or one that needs more memory than there is"),
    noop("a damaged workbook"),
    noop("must be a name, or a position from 1 to {number}"),
    noop("column {position}"),
    noop("must be a field of every row"),
    noop("must be CSV"),
    noop("must be JSON"),
    noop("must begin with a header in CSV"),
    noop("must be left out for txt, which has one number a line"),
    noop("must be a number of seconds above 0, up to {longest}"),
    noop("must not be empty or blank"),
    noop("must have at most {limit} characters"),
    noop("{number} characters"),
    noop("must be encodable as UTF-8"),
    noop("must be a whole number of seconds from {least} to {most}"),
    noop("must together have at most {limit} characters"),
    noop("must be 4 or 6 digits"),
    noop("must be one digit, 0 to 9"),
    noop("must be 11 digits and begin with 1"),
    noop("{found} in scientific notation, which has lost digits"),
    noop("must not be repeated"),
    noop("must not contain a comma"),
    noop(
        '{module} is missing: python -m pip install ".[{extra}]" in a clone of the repository, '
        'else python -m pip install "emay_voice_async[{extra}]"'
    ),
    noop("must be given, as the template names it"),
    noop("must be on one line"),
    noop("a line break in place {place}"),
    noop("must be a text or a number"),
    noop("must have a pair of braces around each field, and two braces for a brace that is spoken"),
    noop("must have the name of a field in each pair of braces, and nothing else"),
    noop("{fault} in the braces in place {place}"),
    noop("an unclosed brace"),
    noop("a closing brace alone"),
    noop("no name"),
    noop("a blank beside the name"),
    noop("a position"),
    noop("the sign {sign}"),
    noop("{fault} in place {place}"),
    noop("{found}, with one character for each field"),
    noop("some reports cannot be read"),
    noop("no report of the response can be read"),
    noop("the JSON holds no list of reports"),
    noop("the data is not JSON"),
    noop("the form has no single field of reports"),
    noop("the data is not intact gzip"),
    noop("the data is too large when inflated"),
    noop("asking for reports goes on in {seconds} s, after failure {number}: {reason}"),
    noop("must be the path of a folder"),
    noop("must be a folder, or not exist yet"),
    noop("must be a folder that can be read and written"),
    noop("must not be writable by other users: chmod 700"),
    noop("must be used by one client of one process at a time: another one uses this folder"),
    noop("must not hold reports of another account ({account}): use a folder for each"),
    noop("max_calls numbers have been sent to"),
    noop('must be spans such as "08:00-20:00" or "09:00-12:00,14:00-21:00"'),
    noop("must be times of a day, from 00:00 to 24:00"),
    noop("the service has not answered as documented before: {error}"),
    noop("{number} batches in a row had no connection; the last one: {error}"),
    noop("{number} batches in a row had no usable response; the last one: {error}"),
    noop("the send was stopped before this batch had its turn"),
    noop("the send was stopped: {reason}"),
)
"""Sentences and parts of sentences in the code of the library, the more specific ones first."""
COMPOSED: Final = (
    noop(
        "an earlier run left it unknown ({reason}): its reports will settle it; without a report "
        "{hours} hours later, resend_unknown is sensible"
    ),
    noop(
        "an earlier run left it unknown on {time} ({reason}): its reports will settle it; without "
        "a report {hours} hours later, resend_unknown is sensible"
    ),
    noop("must be a whole number, at least 1"),
    noop("the outcome of {path} is unknown: {reason} (HTTP {status}, {number} bytes)"),
    noop("the outcome of {path} is unknown: {reason}"),
    noop("the outcome is unknown: {reason}"),
    noop("No such file or directory"),
    noop("Permission denied"),
    noop("Is a directory"),
    noop("Not a directory"),
    noop("File exists"),
    noop("No space left on device"),
    noop("Read-only file system"),
    noop("Address already in use"),
    noop("Cannot assign requested address"),
    noop("Name or service not known"),
    noop("mobile"),
    noop("content"),
    noop("interactive_content"),
    noop("voicemail_content"),
    noop("sms_content"),
    noop("custom_id"),
    noop("content, interactive_content and voicemail_content"),
    noop("field {name}"),
    noop("must be the name of one column"),
    noop("trigger key"),
    noop("trigger seconds"),
    noop("code"),
    noop("column"),
    noop("encoding"),
    noop("format"),
    noop("line"),
    noop("{field} at position {position}: {rule} (found {actual})"),
    noop("{field} at position {position}: {rule}"),
    noop("{field}: {rule} (found {actual})"),
    noop("{sentence} ({detail})"),
    noop("{sentence}; {rest}"),
    noop("{subject}: {reason}"),
)
"""Texts of errors that are made of several parts, reasons of the operating system, and names of fields."""
_CODE: Final = re.compile(r"\b(ERROR_[A-Z_]+) \([^()]*\)")
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


def sentence(error: object) -> str:
    """Return the text of an error in the language of the terminal; an unknown text stays English."""
    text = _CODE.sub(_explained, str(error))
    return _translated(text) if current_language() != "en" else text


def _explained(found: re.Match[str]) -> str:
    """Give a result code its meaning in the language of the terminal."""
    code = result_code(found[1])
    if not isinstance(code, ResultCode):
        return found[0]
    return f"{code} ({code.meaning if current_language() == 'zh' else code.english})"


def _translated(text: str) -> str:
    for template, form in _forms():
        if found := form.fullmatch(text):
            values = {name: _translated(value) for name, value in found.groupdict().items()}
            return gettext(template, **values)
    return text


@cache
def _forms() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, _form(template)) for template in (*SENTENCES, *COMPOSED))


def _form(template: str) -> re.Pattern[str]:
    """Return the expression of the texts that a template makes."""
    seen = set[str]()
    parts = []
    for number, part in enumerate(_PLACEHOLDER.split(template)):
        if not number % 2:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.+?)")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)
