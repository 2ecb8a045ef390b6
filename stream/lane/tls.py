"""Python's TLS context for librdkafka's `ssl.*` settings, for clients that are not librdkafka."""

import ssl
from collections.abc import Mapping

from stream.core.errors import SettingsError


def ssl_context(kafka: Mapping[str, str]) -> ssl.SSLContext:
    """The context that verifies the brokers and shows our certificate, as the settings say.

    Raises:
        SettingsError: a file is missing or can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=kafka.get("ssl.ca.location"))
        if certificate := kafka.get("ssl.certificate.location"):
            context.load_cert_chain(certificate, kafka.get("ssl.key.location"), kafka.get("ssl.key.password"))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka ssl.* settings can't be used: {error}") from None
    if kafka.get("enable.ssl.certificate.verification", "true") == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif kafka.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    return context
