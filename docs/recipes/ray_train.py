"""Ray Train: every worker records its own steps into one run on a shared file system; no launcher of ours.

python docs/recipes/ray_train.py        # needs ray[train] and torch
"""

from __future__ import annotations

RUN = "/shared/runs/ray"


def train(config: dict[str, object]) -> None:
    """What one worker does; Ray has set RANK, WORLD_SIZE and MASTER_ADDR."""
    del config
    import torch
    from ray.train.torch import prepare_model

    import commscope

    model = prepare_model(torch.nn.Linear(64, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with commscope.profile(RUN, steps=3, warmup=2) as steps:
        for _ in range(8):
            optimizer.zero_grad()
            model(torch.ones(16, 64)).sum().backward()
            optimizer.step()
            steps.end_step()


def main() -> None:
    """Two workers."""
    from ray.train import ScalingConfig
    from ray.train.torch import TorchTrainer

    TorchTrainer(train, scaling_config=ScalingConfig(num_workers=2)).fit()


if __name__ == "__main__":
    main()
