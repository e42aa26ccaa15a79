"""What an OPC UA failure means, and what to do: status codes in words."""

from asyncua import ua
from asyncua.ua.uaerrors import UaStatusCodeError

_UNTRUSTED = (
    "the server does not trust this host's certificate; move it from the server's list of rejected "
    "certificates to that of trusted ones, or copy it there"
)
NO_CHANNEL = f"no secured channel is opened: most likely {_UNTRUSTED}; the server's log says why"
"""Of a server that answers the opening of a channel with a fault, which the library drops."""
_IDENTITY = (
    "the server does not take this user; check user, password and what the user may do there, or "
    "have the server trust user_certificate as a user's"
)
_NODE = (
    "the server has no such variable; correct the link's nodes, or load the mailbox into the PLC"
)
_RANGE = (
    "the server takes no index ranges here; map one variable per slot (nodes.events with {slot}, "
    "nodes.instruction)"
)
_SIZE = "the message is too long for the server; lower words_per_read or words_per_write"
_TIME = (
    "the server says that this host's certificate is expired, or not valid yet; compare the two "
    "clocks, or make a new certificate"
)
_SESSIONS = "the server has no session free; close other clients, or wait until theirs time out"
_MEANINGS = {
    "BadCertificateUntrusted": _UNTRUSTED,
    "BadCertificateRevoked": "the server has this host's certificate as revoked; make a new one",
    "BadSecurityChecksFailed": _UNTRUSTED,
    "BadCertificateTimeInvalid": _TIME,
    "BadCertificateIssuerTimeInvalid": _TIME,
    "BadCertificateUriInvalid": "the server misses the application URI in this host's certificate; "
    "make one with sorter plc certificate",
    "BadCertificateInvalid": "the server can't use this host's certificate; make one with sorter "
    "plc certificate",
    "BadCertificateUseNotAllowed": "this host's certificate may not be used for OPC UA; make one "
    "with sorter plc certificate",
    "BadSecurityPolicyRejected": "the server refuses the security policy; switch it on there, or "
    "set security_policy to one it offers",
    "BadSecurityModeRejected": "the server refuses the security mode; set security_mode to one it "
    "offers",
    "BadUserAccessDenied": _IDENTITY,
    "BadIdentityTokenRejected": _IDENTITY,
    "BadIdentityTokenInvalid": _IDENTITY,
    "BadTooManySessions": _SESSIONS,
    "BadTooManySubscriptions": _SESSIONS.replace("session", "subscription"),
    "BadNodeIdUnknown": _NODE,
    "BadNodeIdInvalid": _NODE,
    "BadIndexRangeNoData": "the array is shorter than the mailbox; declare it with the mailbox's "
    "length",
    "BadIndexRangeInvalid": _RANGE,
    "BadWriteNotSupported": _RANGE,
    "BadNotReadable": "the variable may not be read; set its access rights in the PLC",
    "BadNotWritable": "the variable may not be written; set its access rights in the PLC",
    "BadTypeMismatch": "the variable is no array of UInt16; declare it so in the PLC",
    "BadRequestTooLarge": _SIZE,
    "BadResponseTooLarge": _SIZE,
    "BadEncodingLimitsExceeded": _SIZE,
    "BadTcpMessageTooLarge": _SIZE,
    "BadTooManyOperations": _SIZE,
    "BadTcpEndpointUrlInvalid": "the server does not know this path; correct url",
    "BadWaitingForInitialData": "the server has no value yet; is the PLC program running",
    "BadNotConnected": "the server has lost its PLC; check what stands behind it",
    "BadOutOfService": "the server has lost its PLC; check what stands behind it",
}
"""By the name of the status code (OPC 10000-6, annex A.2)."""


def explain_status(code: int) -> str:
    """Return the name of a status code and what to do about it."""
    name, text = ua.status_codes.get_name_and_doc(code)
    return f"{name}: {_MEANINGS.get(name, text)}"


def explain(error: BaseException) -> str:
    """Return what a failed request means."""
    if isinstance(error, UaStatusCodeError):
        return explain_status(error.code)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused; is the server up, and its port right?"
    return str(error) or type(error).__name__
