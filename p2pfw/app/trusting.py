"""Trust and membership as web sees them: every operation goes to the use case that knows it. No logic of its own."""

from dataclasses import dataclass

from p2pfw import schema
from p2pfw.app.chartering import Chartering
from p2pfw.app.owning import Owning
from p2pfw.app.scoring import Scoring
from p2pfw.app.trying import Trying
from p2pfw.app.vouching import Vouching
from p2pfw.app.witnessing import Witnessing
from p2pfw.operations import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusting:
    """Implements operations.TrustOperations."""

    witnessing: Witnessing
    vouching: Vouching
    trying: Trying
    scoring: Scoring
    chartering: Chartering
    owning: Owning

    async def vouch(self, request: schema.VouchRequest, caller: Caller) -> schema.TextAnswer:
        """See operations."""
        return await self.vouching.vouch(request, caller)

    async def unvouch(self, peer_id: str, caller: Caller) -> schema.TextAnswer:
        """See operations."""
        return await self.vouching.unvouch(peer_id, caller)

    def vouches(self) -> schema.VouchList:
        """See operations."""
        return self.vouching.all()

    async def forgive(self, request: schema.ForgiveRequest, caller: Caller) -> schema.TextAnswer:
        """See operations."""
        name = await self.witnessing.forgive(request.id, caller)
        return schema.TextAnswer(text=f"what was seen of {name} counts no more")

    async def try_trust(self, peer_id: str, trust: str) -> schema.TryAnswer:
        """See operations."""
        return await self.trying.trust(peer_id, trust)

    async def scorecards(self, peer_id: str) -> schema.Scorecards:
        """See operations."""
        return await self.scoring.cards(peer_id)

    def charter(self) -> schema.CharterView:
        """See operations."""
        return self.chartering.view()

    async def submit_charter(self, request: schema.CharterRequest) -> schema.CharterView:
        """See operations."""
        return await self.chartering.submit(request)

    async def succeed(self, request: schema.SuccessionRequest) -> schema.OwnerAnswer:
        """See operations."""
        return await self.owning.succeed(request)

    async def sign_charter(self, request: schema.CharterSign) -> schema.CharterView:
        """See operations."""
        return await self.chartering.sign(request)
