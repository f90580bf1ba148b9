"""Options of the pruning steps and of the training that follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from durometer.compress.base import Compression

if TYPE_CHECKING:
    pass


class Recovering(Compression):
    """A step that may fine-tune afterwards: not at all, on the labels, or taught by the original too."""

    recover: Literal["none", "plain", "distill"] = "none"
    recovery_epochs: float = Field(default=1.0, gt=0)
    recovery_learning_rate: float = Field(default=2e-4, gt=0)
    recovery_batch: int = Field(default=32, ge=1)

    @model_validator(mode="after")
    def _no_plan_without_recovery(self) -> Self:
        plan = ("recovery_epochs", "recovery_learning_rate", "recovery_batch")
        fields = type(self).model_fields
        changed = [name for name in plan if getattr(self, name) != fields[name].default]
        if self.recover == "none" and changed:
            raise ValueError(f"{changed[0]} has no effect without recover: plain or distill")
        return self

    def recovery_words(self) -> str:
        """Return what follows the step, in words, or nothing."""
        return "" if self.recover == "none" else f", then {self.taught()} for {epochs(self.recovery_epochs)}"

    def taught(self) -> str:
        """Return how it is fine-tuned, in words."""
        return "fine-tuned" if self.recover == "plain" else "distilled from the original"


class Unstructured(Recovering):
    """A step that zeroes single weights of the encoder's linears, whichever it ranks lowest."""

    simulated: ClassVar[bool] = True
    sparsity: float = Field(default=0.5, gt=0, lt=1)
    scope: Literal["global", "layer"] = "global"
    targets: Literal["all", "attention"] = "all"

    def what(self) -> str:
        """Return which share of which weights goes, in words."""
        return f"{share(self.sparsity)} of {TARGETS[self.targets]}"

    def where(self) -> str:
        """Return among which weights they are ranked, in words."""
        return "globally" if self.scope == "global" else "in each matrix"


class MagnitudePrune(Unstructured):
    """Zero the smallest weights (unstructured); simulated: smaller on disk, not faster.

    The baseline of Han et al. (NeurIPS 2015), over the encoder's linears without biases, one shot.
    ``targets="attention"`` restricts it to query, key and value, as d'Aloisio et al. (SANER 2025) did for
    vulnerability detection. ``scope="layer"`` takes the share from each matrix. Zeros stay zero in recovery.
    """

    source: ClassVar[str] = "Han et al., NeurIPS 2015; on code models d'Aloisio et al., SANER 2025"
    behaviour: ClassVar[str] = "durometer.compress.prune:magnitude_prune"
    kind: Literal["magnitude_prune"] = "magnitude_prune"

    def describe(self) -> str:
        """See the base class."""
        return f"{self.what()} pruned by magnitude, {self.where()}{self.recovery_words()}"


class MovementPrune(Unstructured):
    """Zero the weights that fine-tuning moves towards zero (unstructured); simulated: not faster.

    Sanh et al., "Movement pruning", NeurIPS 2020, section 4: scores add up −weight · gradient while the
    sparsity rises along a cubic to ``sparsity`` at two thirds of ``epochs``; weights that are masked keep
    their value and may come back until then. Departures: the scores are summed without momentum, and the
    masks are ranked over all matrices together, as in the released code's global variant.
    """

    source: ClassVar[str] = "Sanh et al., NeurIPS 2020"
    behaviour: ClassVar[str] = "durometer.compress.movement:movement_prune"
    kind: Literal["movement_prune"] = "movement_prune"
    epochs: float = Field(default=3.0, gt=0)
    learning_rate: float = Field(default=2e-4, gt=0)
    batch: int = Field(default=32, ge=1)

    def describe(self) -> str:
        """See the base class."""
        over = epochs(self.epochs)
        return f"{self.what()} pruned by movement over {over}, {self.where()}{self.recovery_words()}"


class StructuredPrune(Recovering):
    """Remove attention heads, feed-forward columns and whole layers: really smaller, really faster.

    Each option is the share to remove. ``importance``: the L2 norm of the weights, or the first-order
    effect on the loss of ``samples`` training samples (heads: Michel et al., NeurIPS 2019, section 4.1;
    columns: Molchanov et al., ICLR 2017, section 2.2). ``scope="layer"`` removes the same share in every
    layer, ``"global"`` ranks across layers and leaves at least one head and column in each.
    """

    source: ClassVar[str] = "Michel et al., NeurIPS 2019; Molchanov et al., ICLR 2017"
    behaviour: ClassVar[str] = "durometer.compress.structured:structured_prune"
    kind: Literal["structured_prune"] = "structured_prune"
    heads: float = Field(default=0.0, ge=0, lt=1)
    feed_forward: float = Field(default=0.0, ge=0, lt=1)
    layers: float = Field(default=0.0, ge=0, lt=1)
    importance: Literal["magnitude", "first_order"] = "magnitude"
    scope: Literal["layer", "global"] = "layer"
    samples: int = Field(default=256, ge=1)

    def describe(self) -> str:
        """See the base class."""
        parts = {"heads": self.heads, "feed-forward columns": self.feed_forward, "layers": self.layers}
        what = " and ".join(f"{share(value)} of the {name}" for name, value in parts.items() if value)
        how = "magnitude" if self.importance == "magnitude" else "first-order importance"
        across = " across layers" if self.scope == "global" else ""
        return f"{what or 'nothing'} removed by {how}{across}{self.recovery_words()}"


class ExtraTraining(Recovering):
    """Fine-tune the victim for the extra steps of a recovered variant: the control for its training.

    No smaller. What a recovered variant gains or loses against this one, its compression did.
    """

    source: ClassVar[str] = "a control of ours"
    behaviour: ClassVar[str] = "durometer.compress.recover:extra_training"
    kind: Literal["extra_training"] = "extra_training"
    recover: Literal["plain", "distill"] = "plain"

    def describe(self) -> str:
        """See the base class."""
        return "uncompressed" + self.recovery_words()


TARGETS = {"all": "the weights", "attention": "the query, key and value weights"}


def share(fraction: float) -> str:
    """Return a fraction as a percentage."""
    return f"{fraction * 100:g} %"


def epochs(number: float) -> str:
    """Return a number of epochs in words."""
    return f"{number:g} epoch" + ("" if number == 1 else "s")
