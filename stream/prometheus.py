"""A client of Prometheus' HTTP API: instant and range queries, with limits on time and size."""

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from msgspec import Struct

from stream.core.errors import MonitoringError
from stream.core.text import hide_login

TIMEOUT_SECONDS = 30.0
ANSWER_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_ERROR_BYTES = 64 * 1024
_ERROR_CHARACTERS = 300


class Series(Struct, frozen=True):
    """One series of an answer: its labels, and its values by time in seconds since 1970; of an instant query one."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def value(self) -> float:
        """The last value; it may be infinite or not a number."""
        return self.points[-1][1]


class Prometheus:
    """One server, or whatever speaks its API (Thanos, Mimir, VictoriaMetrics). Every call blocks.

    Args:
        url: its address, as the setting `prometheus_url` has it.
        timeout_seconds: how long it may take to answer, and then to send the whole answer.
        answer_bytes: the longest answer that is read.
    """

    def __init__(self, url: str, timeout_seconds: float = TIMEOUT_SECONDS, answer_bytes: int = ANSWER_BYTES) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout_seconds
        self._most = answer_bytes

    def query(self, expression: str, at: float) -> list[Series]:
        """The values of an expression at a time, seconds since 1970; a scalar is one series without labels.

        Raises:
            MonitoringError: no answer in time, a refusal, or an answer that is not Prometheus'; one sentence.
        """
        return self._ask("query", {"query": expression, "time": at})

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The values of an expression from `start` to `end`, every `step` seconds; raises as `query` does."""
        return self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})

    def _ask(self, path: str, parameters: Mapping[str, str | float]) -> list[Series]:
        body = urllib.parse.urlencode({**parameters, "timeout": self._timeout}).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}", body, timeout=self._timeout) as answer:
                text = self._read(answer)
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except TimeoutError:
            raise self._slow() from None
        except http.client.InvalidURL:  # its own words may repeat a password
            raise self._error("can't be reached: its port is no number", "set prometheus_url to yours") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                raise self._slow() from None
            why = str(reason) or type(reason).__name__
            raise self._error(f"can't be reached: {why}", "set prometheus_url to yours") from None
        try:
            return _series(text)
        except msgspec.MsgspecError:
            raise self._error("did not answer as Prometheus does", "set prometheus_url to yours") from None

    def _read(self, answer: http.client.HTTPResponse) -> bytes:
        """The whole body: a server that sends a little now and then is slow, too."""
        deadline = time.monotonic() + self._timeout
        text = bytearray()
        while chunk := answer.read1(_CHUNK_BYTES):
            text += chunk
            if len(text) > self._most:
                raise self._error(f"answered more than {self._most:,} bytes", "ask for a shorter window")
            if time.monotonic() > deadline:
                raise self._slow()
        return bytes(text)

    def _refused(self, error: urllib.error.HTTPError) -> MonitoringError:
        with error:
            told = b""
            with suppress(OSError, http.client.HTTPException):
                told = error.read(_ERROR_BYTES)
        with suppress(msgspec.MsgspecError):
            why = _decode_error(told).error[:_ERROR_CHARACTERS]
            mend = "ask for a shorter window, or set prometheus_url to a server that can answer it"
            return self._error(f"refused the query: {why}", mend)
        if error.code in (401, 403):
            mend = "set prometheus_url to an address that needs no login"
            return self._error(f"answered {error.code} ({error.reason})", mend)
        return self._error(f"answered {error.code} ({error.reason})", "set prometheus_url to yours")

    def _slow(self) -> MonitoringError:
        mend = "ask for a shorter window, or look at what keeps it busy"
        return self._error(f"gave no whole answer in {self._timeout:g} s", mend)

    def _error(self, fault: str, mend: str) -> MonitoringError:
        return MonitoringError(f"Prometheus at {hide_login(self._url)} {' '.join(fault.split())}", mend)


Point = tuple[float, str]


class _Error(Struct):
    error: str


class _Vector(Struct):
    metric: dict[str, str]
    value: Point


class _Matrix(Struct):
    metric: dict[str, str]
    values: list[Point]


class _VectorData(Struct, tag_field="resultType", tag="vector"):
    result: list[_Vector]


class _MatrixData(Struct, tag_field="resultType", tag="matrix"):
    result: list[_Matrix]


class _ScalarData(Struct, tag_field="resultType", tag="scalar"):
    result: Point


class _Answer(Struct):
    data: _VectorData | _MatrixData | _ScalarData


_decode_error = msgspec.json.Decoder(_Error).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def _series(text: bytes) -> list[Series]:
    data = _decode_answer(text).data
    if isinstance(data, _ScalarData):
        return [Series({}, [_point(data.result)])]
    if isinstance(data, _VectorData):
        return [Series(each.metric, [_point(each.value)]) for each in data.result]
    return [Series(each.metric, [_point(point) for point in each.values]) for each in data.result if each.values]


def _point(point: Point) -> tuple[float, float]:
    try:
        return point[0], float(point[1])
    except ValueError:
        raise msgspec.ValidationError(f"no number: {point[1]!r}") from None
