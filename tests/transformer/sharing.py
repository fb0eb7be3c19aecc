"""Four real processes share the tokens of a batch by two and by four, and hold what comes of it
against one that has them all. Started by test_context.py through torchrun."""

import torch
from tiny import shaken
from torch import Tensor, distributed
from torch.testing import assert_close

from skyloom.text.features import TextFeatures
from skyloom.transformer.config import TransformerConfig
from skyloom.transformer.context import ALL_HERE, Context
from skyloom.transformer.model import Transformer
from skyloom.transformer.patches import Packed, pack

GRIDS = [(3, 4, 6), (1, 2, 2), (2, 5, 3)]
WORDS = (3, 1, 2)


def batch() -> tuple[Packed, Tensor, TextFeatures, Tensor]:
    """Clips of different sizes, a noise level for each frame, prompts, and tokens to route."""
    generator = torch.Generator().manual_seed(1)
    clips = [torch.randn(4, t, 2 * y, 2 * x, generator=generator) for t, y, x in GRIDS]
    packed = pack(clips, [12.0, 8.0, 24.0], (1, 2, 2))
    levels = [torch.rand(t, generator=generator).repeat_interleave(y * x) for t, y, x in GRIDS]
    text = TextFeatures(torch.randn(sum(WORDS), 16, generator=generator), WORDS)
    kept = torch.randperm(len(packed.tokens), generator=generator)[:40].sort().values
    # Every clip has a token that is kept.
    kept = torch.cat([kept, torch.tensor([0, 72, 76])]).unique()
    return packed, torch.cat(levels), text, kept


def learnt(heads: int, context: Context, routed: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """The prediction and the gradients of all weights, added up over the processes that share."""
    torch.manual_seed(0)
    config = TransformerConfig(channels=4, width=48, depth=4, heads=heads, text_width=16)
    network = shaken(Transformer(config)).requires_grad_(True)
    packed, sigma, text, kept = batch()
    output = network(packed, sigma, text, kept if routed else None, context)
    loss = output.prediction.square().mean() + output.middle.sin().mean()
    (loss / context.ranks).backward()
    gradients = {}
    for name, weight in network.named_parameters():
        gradients[name] = torch.zeros_like(weight) if weight.grad is None else weight.grad
        if context.ranks > 1:
            distributed.all_reduce(gradients[name], group=context.group)
    return output.prediction.detach(), gradients


def main() -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    for ranks in (2, 4):
        group, _ = distributed.new_subgroups(ranks)
        context = Context(rank % ranks, ranks, group)
        for heads in (6, 3) if ranks == 2 else (6,):  # shared unevenly as well
            for routed in (False, True):
                whole, of_whole = learnt(heads, ALL_HERE, routed)
                shared, of_shared = learnt(heads, context, routed)
                assert_close(shared, whole, atol=1e-5, rtol=1e-4)
                assert any(gradient.abs().max() > 1e-3 for gradient in of_whole.values())
                assert_close(of_shared, of_whole, atol=1e-5, rtol=1e-3)
                if rank == 0:
                    print(f"{ranks} processes, {heads} heads, routed {routed}: alike", flush=True)
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
