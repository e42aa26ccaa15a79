"""The face's own certificate, checked before anything is served."""

import ssl

from sorter.config_http import HttpTls
from sorter.errors import ConfigError


def check_pair(tls: HttpTls) -> None:
    """Check that a certificate and its key can be used.

    Raises:
        ConfigError: one can't be read, is of another form, or they don't belong together.
    """
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            tls.certificate, tls.key, password=_no_password
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"http.tls: {tls.certificate} with {tls.key} can't be used ({error}); give PEM files "
            "of a certificate and its own key, without a password"
        ) from None


def _no_password() -> str:
    """Answer OpenSSL, which would ask at the terminal."""
    raise ValueError("the key has a password")
