"""Every error of Citadel, as one tree.

    CitadelError
    ├── StartRefused            Citadel cannot run with what it found; the text names the file and the mend
    └── RequestRefused          one request is answered with this, and nothing else changes
        ├── CallerRefused       who asks could not be established            (Unauthenticated)
        ├── ImpersonationRefused  the caller asks for another's identity by metadata (Unauthenticated)
        ├── CsrRefused          the signing request itself is not acceptable (InvalidArgument)
        ├── LifetimeRefused     a longer life was asked for than is allowed  (InvalidArgument)
        ├── KeysUnavailable     tokens cannot be verified now: no public keys (Unavailable)
        ├── ReviewUnavailable   nor now by the API server: it does not answer  (Unavailable)
        └── SignerUnusable      the signing certificate cannot sign now      (Internal)

The text of a RequestRefused goes to the peer as it is: it never holds a token, a key or a path of Citadel's.
"""

from __future__ import annotations


class CitadelError(Exception):
    """Root of the tree; never raised itself."""


class StartRefused(CitadelError):
    """Citadel cannot start: the text is one sentence or two, with the file and what would be right."""


class RequestRefused(CitadelError):
    """One request is refused.

    `text` is for the peer; `reason` is a short fixed word for the log (never made from what a peer sent);
    `detail` is for the log only and may name files.
    """

    reason: str = "refused"

    def __init__(self, text: str, *, detail: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.detail = detail


class CallerRefused(RequestRefused):
    """The caller could not be authenticated; `reason` says which check failed, such as `expired-token`."""

    def __init__(self, reason: str, text: str, *, detail: str = "") -> None:
        super().__init__(text, detail=detail)
        self.reason = reason  # one class, many reasons: they share one answer


class ImpersonationRefused(RequestRefused):
    """The request's metadata names another identity to be signed for; nobody may do that."""

    reason = "impersonation"


class CsrRefused(RequestRefused):
    """The CSR is too long, unreadable, wrongly signed, has a weak key, or asks for what is not the caller's.

    `parsed` is False where the request could not even be read, `foreign_names` is True where it asks for
    names that are not the caller's (each is counted apart).
    """

    reason = "csr"

    def __init__(self, text: str, *, parsed: bool = True, foreign_names: bool = False) -> None:
        super().__init__(text)
        self.parsed = parsed
        self.foreign_names = foreign_names
        if foreign_names:
            self.reason = "csr-names"


class LifetimeRefused(RequestRefused):
    """The lifetime asked for is longer than the maximum: an error, never a silent cap."""

    reason = "lifetime"


class KeysUnavailable(RequestRefused):
    """A token came, and there are no public keys to verify it with."""

    reason = "no-keys"


class ReviewUnavailable(RequestRefused):
    """A token came, and the API server does not say now whether it holds."""

    reason = "no-review"


class SignerUnusable(RequestRefused):
    """The signing certificate has expired or is not valid yet."""

    reason = "signer"
