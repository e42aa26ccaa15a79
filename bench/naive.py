"""The whole decision again in plain Python: the oracle of the tests, a contender of the bench.

Nothing here is shared with the compiled decision but the codes of the contract: texts, dicts and
lists in place of numbers, tables and arrays, regular expressions in place of the automaton, sorting
in place of insertion. It is written to be read beside the rules at the head of
``sorter/assignment/kernels.py``. Where the two differ, one of them is wrong. What it decides about
is in ``naive_world``, what a code is in ``naive_codes``, which chutes it names in ``naive_chutes``.
"""

from dataclasses import replace
from datetime import UTC, date, datetime

from bench.naive_chutes import Chooser
from bench.naive_codes import bare, brands_of, label_place, others_of
from bench.naive_world import (
    Advice,
    Answer,
    Chute,
    Decision,
    Group,
    Limits,
    Piece,
    Plan,
    Scan,
)
from plc_adapters.contract import CODES_MAX, Disposition, ScanStatus

__all__ = [
    "HOLDS",
    "PREFIX_DIGITS",
    "Advice",
    "Answer",
    "Chute",
    "Decision",
    "Group",
    "Limits",
    "Line",
    "Piece",
    "Plan",
    "Scan",
]  # fmt: skip

PREFIX_DIGITS = (12, 9, 6, 4, 2)
UNREAD = (
    Disposition.NO_READ, Disposition.NOT_A_WAYBILL, Disposition.AMBIGUOUS, Disposition.BAG,
    Disposition.SCAN_NOT_TIED,
)  # fmt: skip
"""What was decided without a waybill, so that one read later on the lap replaces it."""
HOLDS = (
    Disposition.INTERCEPTED,
    Disposition.SECURITY_NOT_CLEARED,
    Disposition.CUSTOMS_NOT_RELEASED,
    Disposition.COLD_CHAIN_BROKEN,
    Disposition.DAMAGED,
    Disposition.OVERWEIGHT,
    Disposition.OVERSIZE,
)
"""In the order in which they count."""
WAITING = (Disposition.AWAITING_HOST, Disposition.HOST_LATE)
"""Decided without the upstream host's answer, so that it still is of use."""
ON_ITS_WAY_NS = 200_000_000
"""Time that the instruction for a host's answer is given on its way to the PLC."""


class Line(Chooser):
    """Decides one line's scans and remembers its pieces and the room kept in its chutes."""

    def __init__(
        self, plan: Plan, pre_advice: dict[bytes, Advice], chutes: dict[int, Chute]
    ) -> None:
        self.active = plan
        self.plan = plan
        """Of the piece in hand."""
        self.pre_advice = pre_advice
        self.chutes = chutes
        self.pieces: dict[int, Piece] = {}
        self.quarantined = False
        self._today = date.min

    def batch(self, scans: list[Scan], now_ns: int) -> list[Decision]:
        """Decide the scans of one turn, in order.

        All are tracked before the first is decided: a scan of a lap that its piece has left by the
        end of the turn is passed over.
        """
        self._today = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).date()
        for scan in scans:
            self._arrive(scan)
        decided = (self._scan(scan, now_ns) for scan in scans)
        return [decision for decision in decided if decision is not None]

    def is_waybill(self, code: bytes) -> bool:
        """Return whether a code alone would give a piece its waybill."""
        return self._kind(code)[0] == Disposition.ROUTED

    def leave(self, piece_id: int) -> None:
        """Forget a piece that has left the sorter, and the room kept for it."""
        self._give_back(self.pieces.pop(piece_id))

    def _arrive(self, scan: Scan) -> None:
        """Bring a piece to the lap of its scan; a new lap ends what was decided for the last."""
        piece = self.pieces.setdefault(scan.piece_id, Piece(self.active, scan.lap))
        if scan.lap > piece.lap:
            self._give_back(piece)
            piece.lap, piece.disposition, piece.revision = scan.lap, Disposition.NONE, 0
            piece.counted_at = 0
        if scan.lap == piece.lap:
            piece.weight_g = scan.weight_g if scan.weight_g > 0 else piece.weight_g
            length, width, height = (
                new if new > 0 else known
                for new, known in zip(scan.sizes_mm, piece.sizes_mm, strict=True)
            )
            piece.sizes_mm = (length, width, height)
            piece.scanned_ns = scan.event_ns

    def _scan(self, scan: Scan, now_ns: int) -> Decision | None:
        """Decide a scan; None where it is of a lap gone by, or changes no answer."""
        piece = self.pieces[scan.piece_id]
        self.plan = piece.plan
        if scan.lap < piece.lap:
            return None
        finding, waybill, facts = self._identity(scan, piece)
        if finding == Disposition.ROUTED:
            finding = self._hold(waybill, piece, _said_of(piece).holds) or finding
        again = piece.disposition != Disposition.NONE
        if again and not _changes(finding, piece.disposition):
            return None
        self._give_back(piece)
        gone_ns = now_ns + self.plan.margin_ns - scan.event_ns
        advice = self._advice(waybill)
        if finding == Disposition.ROUTED and (advice is None or advice.destination == 0):
            finding, facts = self._by_host(piece, scan.lap, facts)
        disposition, group = self._route(finding, facts)
        claim = self._claim(disposition, facts, scan.lap, now_ns, gone_ns)
        disposition, group, chutes = self._chutes(disposition, group, scan.lap, claim)
        return self._conclude(
            piece, scan.piece_id, scan.event_ns, now_ns, disposition, group, chutes, waybill, facts,
            again=again,
        )  # fmt: skip

    def _by_host(self, piece: Piece, lap: int, facts: Advice) -> tuple[Disposition, Advice]:
        """Return what the host said of a piece that pre-advice sends nowhere, or that it waits."""
        if _said_of(piece).destination and piece.facts.destination:
            return Disposition.ROUTED, piece.facts
        if facts.destination:
            return Disposition.ROUTED, facts
        if piece.host or self.plan.host_laps is None:
            return Disposition.UNKNOWN_DESTINATION, facts
        waited = 0 if piece.first_asked is None else lap - piece.first_asked
        waits = waited < self.plan.host_laps and lap < self.plan.lap_limit
        return (Disposition.AWAITING_HOST if waits else Disposition.HOST_LATE), facts

    def answers(self, answers: list[Answer], now_ns: int) -> list[Decision]:
        """Decide pieces anew by what the upstream host says of them."""
        self._today = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).date()
        decided = (self._answer(answer, now_ns) for answer in answers)
        return [decision for decision in decided if decision is not None]

    def _answer(self, answer: Answer, now_ns: int) -> Decision | None:
        """Decide a piece by the host's word; None where it is of no use."""
        piece = self.pieces.get(answer.piece_id)
        if piece is None or not piece.waybill:
            return None
        if piece.disposition in (*HOLDS, Disposition.CONFLICT):
            return None
        said = answer.facts or Advice()
        if piece.disposition not in WAITING and not said.holds:
            return None
        self.plan = piece.plan
        holds = said.holds | _said_of(piece).holds
        facts = Advice(
            said.brand or piece.facts.brand,
            said.service_class or piece.facts.service_class,
            said.destination,
        )
        finding = self._hold(piece.waybill, piece, holds)
        if finding is None:
            finding = Disposition.ROUTED if answer.facts else Disposition.UNKNOWN_DESTINATION
        disposition, group = self._route(finding, facts)
        kept_in, is_last = piece.kept_in, piece.lap >= self.plan.lap_limit
        self._give_back(piece)
        gone_ns = now_ns + self.plan.margin_ns + ON_ITS_WAY_NS - piece.scanned_ns
        claim = self._claim(disposition, facts, piece.lap, now_ns, gone_ns)
        disposition, group, chutes = self._chutes(disposition, group, piece.lap, claim)
        next_lap = replace(claim, gone_ns=0)
        if disposition == Disposition.OVERFLOW and not is_last and self._with_room(group, next_lap):
            disposition, chutes = Disposition.RECIRCULATED, []
        if not chutes and is_last and disposition not in HOLDS:
            self._keep(piece, kept_in)
            return None
        piece.host = Answer(answer.piece_id, replace(said, holds=holds) if answer.facts else None)
        return self._conclude(
            piece, answer.piece_id, piece.scanned_ns, now_ns, disposition, group, chutes,
            piece.waybill, facts, again=True,
        )  # fmt: skip

    def _conclude(
        self, piece: Piece, piece_id: int, event_ns: int, now_ns: int, disposition: Disposition,
        group: int, chutes: list[int], waybill: bytes, facts: Advice, *, again: bool,
    ) -> Decision:  # fmt: skip
        """Remember a decision and return it."""
        piece.revision = piece.revision + 1 if again else 0
        piece.disposition = disposition
        piece.conflict = piece.conflict or disposition == Disposition.CONFLICT
        if waybill:
            # A held piece forgets where it was bound: no later lap routes it by this one's word.
            known = replace(facts, destination=0) if disposition in HOLDS else facts
            piece.waybill, piece.facts = waybill, known
            # Nothing but a new destination makes a piece forget that it was held.
            released = facts.destination != 0 and disposition not in HOLDS
            piece.was_held = disposition in HOLDS or (piece.was_held and not released)
        if disposition == Disposition.AWAITING_HOST and piece.first_asked is None:
            piece.first_asked = piece.lap
        if chutes:
            piece.first_chute = piece.first_chute or chutes[0]
            self._keep(piece, chutes[0])
            if chutes[0] != piece.counted_at:
                self.chutes[chutes[0]].take(now_ns)
        piece.counted_at = chutes[0] if chutes else 0
        travel_ns = (
            self.chutes[chutes[0]].travel_ns
            if chutes
            else max((chute.travel_ns for chute in self.chutes.values()), default=0)
        )
        return Decision(
            piece_id=piece_id,
            lap=piece.lap,
            revision=piece.revision,
            disposition=disposition,
            group=group,
            chutes=chutes,
            deadline_ns=event_ns + travel_ns - self.plan.margin_ns,
            waybill=waybill,
            facts=facts,
        )

    def _keep(self, piece: Piece, chute: int) -> None:
        """Keep room for a piece in a chute; 0 keeps none."""
        piece.kept_in = chute
        if chute:
            self.chutes[chute].reserved += 1

    def _give_back(self, piece: Piece) -> None:
        """Give back the room kept for a piece."""
        if piece.kept_in:
            self.chutes[piece.kept_in].reserved -= 1
            piece.kept_in = 0

    def _identity(self, scan: Scan, piece: Piece) -> tuple[Disposition, bytes, Advice]:
        """Return ROUTED with the waybill and what is known of it, or why there is none."""
        not_tied = bool(scan.status & ScanStatus.TIE_AMBIGUOUS)
        read = [] if not_tied else scan.codes[:CODES_MAX]
        codes = [code for code in map(bare, read) if code[0]]
        cut = bool(scan.status & ScanStatus.CODE_CUT)
        found = {code: self._kind(code) for code, is_whole in codes if is_whole or not cut}
        waybills = {code for code, (_, is_waybill) in found.items() if is_waybill}
        if piece.waybill:
            waybills.add(piece.waybill)
        if piece.conflict or len(waybills) > 1:
            return Disposition.CONFLICT, b"", Advice()
        kinds = [kind for kind, _ in found.values()]
        if piece.waybill or Disposition.ROUTED in kinds:
            waybill = waybills.pop()
            labels = [code for code in codes if code[0] != waybill]
            facts = self._facts(waybill, piece)
            if facts.destination == 0 and self._may_ask_label(waybill, piece):
                facts = replace(facts, destination=self._label(labels, facts.brand, cut=cut))
            return Disposition.ROUTED, waybill, facts
        if not_tied:
            return Disposition.SCAN_NOT_TIED, b"", Advice()
        for kind in (Disposition.AMBIGUOUS, Disposition.BAG):
            if kind in kinds:
                return kind, b"", Advice()
        return (Disposition.NOT_A_WAYBILL if codes else Disposition.NO_READ), b"", Advice()

    def _kind(self, code: bytes) -> tuple[Disposition, bool]:
        """Return what a code is, and whether it surely is a waybill of some brand."""
        proved, possible = brands_of(self.plan, code)
        others = others_of(self.plan, code)
        if self._advice(code) is not None or len(proved) == 1:
            return Disposition.ROUTED, True
        if len(possible) == 1 and not others:
            return Disposition.ROUTED, True
        if possible:
            return Disposition.AMBIGUOUS, bool(proved) or not others
        return (Disposition.BAG if others == {"bag"} else Disposition.NOT_A_WAYBILL), False

    def _advice(self, waybill: bytes) -> Advice | None:
        """Return what pre-advice says today."""
        advice = self.pre_advice.get(waybill)
        is_expired = advice is not None and advice.expires and self._today > advice.expires
        return None if is_expired else advice

    def _hold(
        self, waybill: bytes, piece: Piece, said: frozenset[Disposition]
    ) -> Disposition | None:
        """Return the first reason to hold a piece, or None; ``said`` are those of the host."""
        limits = self.plan.limits
        advice = self._advice(waybill)
        reasons = set(said) | set(advice.holds if advice else ())
        if self._exceeds(piece.weight_g, limits.weight_g):
            reasons.add(Disposition.OVERWEIGHT)
        if any(map(self._exceeds, piece.sizes_mm, limits.sizes_mm)):
            reasons.add(Disposition.OVERSIZE)
        return next((hold for hold in HOLDS if hold in reasons), None)

    def _exceeds(self, measured: int, limit: int) -> bool:
        if not limit:
            return False
        return measured > limit if measured else self.plan.limits.unknown_is_held

    def _brand_by_pattern(self, code: bytes) -> int:
        """Return the one brand that a waybill's patterns name, 0 where they name several."""
        proved, possible = brands_of(self.plan, code)
        brands = proved or possible
        return brands.pop() if len(brands) == 1 else 0

    def _facts(self, waybill: bytes, piece: Piece) -> Advice:
        """Return what pre-advice says now, else what an earlier lap knew, else the brand alone."""
        advice = self._advice(waybill)
        if advice is None:
            return piece.facts if piece.waybill else Advice(self._brand_by_pattern(waybill))
        known = piece.facts.brand if piece.waybill else 0
        brand = advice.brand or known or self._brand_by_pattern(waybill)
        destination = advice.destination or (piece.facts.destination if piece.waybill else 0)
        return Advice(brand, advice.service_class, destination)

    def _may_ask_label(self, waybill: bytes, piece: Piece) -> bool:
        """A row that goes away sets nothing free: what was held waits for a row that releases."""
        return not piece.was_held or self._advice(waybill) is not None

    def _label(self, codes: list[tuple[bytes, bool]], brand: int, *, cut: bool) -> int:
        """Return where the labels of a brand say a piece is bound, 0 where they don't or differ."""
        found = 0
        for code, is_whole in codes:
            place = label_place(self.plan, code, brand, is_whole=is_whole or not cut)
            if place and found:
                near, far = str(max(found, place)), str(min(found, place))
                if not near.startswith(far):
                    return 0
                found = int(near)
            found = found or place
        return found

    def _route(self, finding: Disposition, facts: Advice) -> tuple[Disposition, int]:
        """Return ROUTED with the group, or the exception."""
        if finding != Disposition.ROUTED:
            return finding, 0
        if facts.destination == 0:
            return Disposition.UNKNOWN_DESTINATION, 0
        brand = facts.brand if facts.brand <= len(self.plan.brands) else 0
        service_class = facts.service_class if facts.service_class <= self.plan.classes else 0
        text = str(facts.destination)
        for digits in PREFIX_DIGITS:
            if len(text) >= digits and text[:digits] in self.plan.places:
                zone = self.plan.routes[self.plan.places[text[:digits]]]
                group = zone.get((brand, service_class), 0)
                return (Disposition.ROUTED, group) if group else (Disposition.NO_ROUTE, 0)
        return Disposition.NO_ROUTE, 0


def _said_of(piece: Piece) -> Advice:
    """Return what the host said of a piece, nothing where it said or knew nothing."""
    return (piece.host and piece.host.facts) or Advice()


def _changes(finding: Disposition, decided: Disposition) -> bool:
    """Return whether a further scan of a lap changes what was decided on it."""
    if finding in HOLDS:
        return decided not in (*HOLDS, Disposition.CONFLICT)
    if finding == Disposition.ROUTED:
        return decided in UNREAD
    return finding == Disposition.CONFLICT and decided != Disposition.CONFLICT
