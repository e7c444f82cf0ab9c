"""What the operator should know, worst first; and the doctor's report. Judges the state, changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from p2pfw import schema
from p2pfw.app.domain import Domain
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.wanted import Mode
from p2pfw.core.duration import short_duration
from p2pfw.core.identity import DAY
from p2pfw.ports import FirewallSurvey

RENEWAL_WARNING: Final = 14 * DAY
"""Seconds before a certificate's end from which on health warns."""
LAG_WINDOW: Final = 60.0
STALL: Final = 50.0
"""Milliseconds: the longest stall of the loop that is acceptable."""
CLOCK_WARN: Final = 5.0
"""Seconds by which a peer's clock may differ before health says so (protocol 7)."""

_ORDER: Final = {"error": 0, "warning": 1, "info": 2}


class LoopLag:
    """The longest stall of the last minute, fed by a task that measures how late it wakes."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, float]] = []

    def add(self, now: float, milliseconds: float) -> None:
        """One measurement, at a monotonic time; only maxima within the window are kept."""
        self._samples = [(at, lag) for at, lag in self._samples if lag > milliseconds and at > now - LAG_WINDOW]
        self._samples.append((now, milliseconds))

    def longest(self) -> float:
        """Milliseconds."""
        return round(max((lag for _, lag in self._samples), default=0.0), 1)


@dataclass(slots=True)
class Health:
    """Asks everybody who may have something to complain about."""

    domain: Domain
    enforcing: Enforcing
    memory_bytes: Callable[[], int]
    lag: LoopLag = field(default_factory=LoopLag)
    complaints: list[Callable[[], Iterator[schema.HealthLine]]] = field(default_factory=list)

    def loop_lag_ms(self) -> float:
        """Longest stall of the last minute, milliseconds."""
        return self.lag.longest()

    def lines(self) -> list[schema.HealthLine]:
        """Worst first."""
        found = [*self._enforcement(), *self._certificate(), *self._budgets()]
        for complaint in self.complaints:
            found.extend(complaint())
        return sorted(found, key=lambda line: _ORDER[line.level])

    def doctor(
        self, survey: FirewallSurvey, advice: list[schema.Check], trust: schema.TrustReport | None
    ) -> schema.Doctor:
        """The health lines as checks, what was seen around our rules, advice on trust, and what is fine."""
        checks = [
            schema.Check(
                code=line.code,
                level="error" if line.level == "error" else "warning",
                text=line.text,
                remedy=line.remedy,
            )
            for line in self.lines()
            if line.level != "info"
        ]
        checks += [*_around(survey), *advice]
        bad = {check.code for check in checks}
        checks += [schema.Check(code=code, level="ok", text=text) for code, text in self._fine() if code not in bad]
        levels = {check.level for check in checks}
        level = "error" if "error" in levels else "warning" if "warning" in levels else "ok"
        return schema.Doctor(level=level, checks=checks, trust=trust)  # type: ignore[arg-type]  # the words above

    def _enforcement(self) -> Iterator[schema.HealthLine]:
        enforcing = self.enforcing
        if enforcing.mode is Mode.OBSERVE:
            text = "observe: everything is decided and shown, nothing is dropped"
            yield schema.HealthLine(level="info", code="observe", text=text, remedy="p2pfw enforce on")
            if enforcing.rights_error:
                yield schema.HealthLine(
                    level="warning", code="enforcement", text=f"could not enforce: {enforcing.rights_error}"
                )
        elif enforcing.last_error:
            yield schema.HealthLine(
                level="error",
                code="enforcement",
                text=f"NOT enforcing: {enforcing.last_error}",
                remedy="it is tried again by itself",
            )
        if enforcing.fought:
            state = "in place now" if enforcing.enforcing else "NOT in place now"
            text = f"another program undoes this again and again: {enforcing.fought}; {state}, repairs have pauses"
            remedy = "find it (docker, ufw, firewalld, a cron job), or choose another enforcer.hook"
            yield schema.HealthLine(level="error", code="drift", text=text, remedy=remedy)
        if enforcing.mode is Mode.ENFORCE and enforcing.report.waiting:
            text = f"nothing is dropped in {', '.join(enforcing.report.waiting)}: the chain is not there yet"
            remedy = 'start Docker (for IPv6 with "ip6tables": true), or enforcer.hook = "raw/PREROUTING"'
            yield schema.HealthLine(level="warning", code="hook-waiting", text=text, remedy=remedy)
        if enforcing.mode is Mode.ENFORCE:
            yield from enforcing.shortage.lines(self.domain.adoption.families())
        if enforcing.trial is not None:
            text = f"unconfirmed: goes back to {enforcing.trial.reverts_to.value} by itself"
            yield schema.HealthLine(level="warning", code="unconfirmed", text=text, remedy="p2pfw confirm")

    def _certificate(self) -> Iterator[schema.HealthLine]:
        certificate = self.domain.directory.certificate_of(self.domain.me.node)
        if certificate is None:
            return
        left = certificate.not_after - self.domain.now()
        if left <= 0:
            yield schema.HealthLine(
                level="error",
                code="certificate",
                text="this node's certificate has ended: others ignore what it says",
                remedy="p2pfw owner renew, where the owner key is",
            )
        elif left < RENEWAL_WARNING:
            text = f"this node's certificate ends in {short_duration(left)}"
            yield schema.HealthLine(level="warning", code="certificate", text=text, remedy="p2pfw owner renew")

    def _budgets(self) -> Iterator[schema.HealthLine]:
        for node, held in self.domain.adoption.over_budget.items():
            text = (
                f"a node of this fleet says more than its address budget: {held} prefixes of {node.hex()[:16]} are held"
            )
            yield schema.HealthLine(
                level="error", code="budget", text=text, remedy="p2pfw owner revoke, if it was stolen"
            )

    def _fine(self) -> Iterator[tuple[str, str]]:
        if self.enforcing.enforcing:
            yield "enforcement", f"the kernel holds the rule and {self.enforcing.installed} entries"
        yield "certificate", "this node's certificate is valid"
        lag = self.loop_lag_ms()
        if lag <= STALL:
            yield "loop", f"the longest stall of the last minute was {lag:.0f} ms"


def _around(survey: FirewallSurvey) -> Iterator[schema.Check]:
    """What other programs' rules mean for ours."""
    if survey.open_ports:
        text = f"published ports that the chosen hook leaves open: {'; '.join(survey.open_ports)}"
        remedy = 'enforcer.hook = "raw/PREROUTING" (the default), or add "filter/DOCKER-USER" or "filter/FORWARD"'
        yield schema.Check(code="hook", level="warning", text=text, remedy=remedy)
    if survey.other_rules:
        whose = "some of p2pfw's own among them" if survey.other_is_ours else "made by another program"
        text = f"iptables is {survey.variant} here, but {survey.other_rules} rules are {survey.other_variant}: {whose}"
        remedy = "use one variant: update-alternatives --config iptables (and ip6tables)"
        if survey.other_is_ours:
            remedy += "; then p2pfw uninstall-rules with the old one, and restart p2pfw"
        yield schema.Check(code="variant", level="warning", text=text, remedy=remedy)
