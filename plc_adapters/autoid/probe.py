"""What a scanner's server is asked, one thing after the other, before it is listened to."""

from asyncua import Client

from plc_adapters.autoid.settings import ScannerSettings
from plc_adapters.autoid.structures import NAMESPACE
from plc_adapters.autoid.subscription import Subscription
from plc_adapters.opcua.session import (
    close,
    connect,
    load_credentials,
    new_client,
    told_as_link_error,
)


class Probe:
    """Asks one scanner. Each step returns what it saw, or raises LinkError with what to do.

    Raises:
        AdapterError: the settings contradict each other, or a file that they name is of no use.
    """

    def __init__(self, settings: ScannerSettings) -> None:
        settings.expect_sound()
        self._settings = settings
        self._endpoint = settings.endpoint
        self._credentials = load_credentials(settings.endpoint)
        self._client: Client | None = None
        self._subscription: Subscription | None = None

    async def reach(self) -> str:
        """Ask for the server's endpoints, which needs no security."""
        client = new_client(self._endpoint, self._credentials)
        with told_as_link_error(self._endpoint.peer, "can't ask for its endpoints"):
            offered = await client.connect_and_get_server_endpoints()
        return f"offers {len(offered)} endpoints" if len(offered) != 1 else "offers one endpoint"

    async def secure(self) -> str:
        """Open a session of the configured security."""
        self._client = new_client(self._endpoint, self._credentials)
        await connect(self._client, self._endpoint, self._credentials)
        if self._endpoint.security_policy == "None":
            return "none: whoever reaches its port can tell codes in its name"
        return f"{self._endpoint.security_policy} {self._endpoint.security_mode}"

    async def model(self) -> str:
        """Look for AutoID's namespace."""
        assert self._client is not None, "secure comes first"
        self._subscription = Subscription(self._client, self._settings)
        with told_as_link_error(self._endpoint.peer, "can't read its namespaces"):
            await self._subscription.learn_namespaces()
        return NAMESPACE

    async def device(self) -> str:
        """Look for the device, and for its events or its LastScanData."""
        assert self._subscription is not None, "model comes first"
        with told_as_link_error(self._endpoint.peer, "can't look for the device"):
            await self._subscription.find()
            if self._settings.mode == "events":
                await self._subscription.expect_events()
        what = "events" if self._settings.mode == "events" else "LastScanData"
        return f"{what} of {self._settings.device or 'the server'}"

    async def close(self) -> None:
        """End the session."""
        if self._client is not None:
            await close(self._client, self._endpoint)
