"""Lightning's Trainer with its DDP strategy, under a launcher."""

import os

import common
import lightning
import torch


class Module(lightning.LightningModule):
    """The model with a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.model = common.model()

    def training_step(self, index: torch.Tensor, number: int) -> torch.Tensor:
        """The loss of a batch."""
        loss = self.model(common.batch(number)).square().mean() + 0 * index.sum()
        common.told(number, loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


ranks = int(os.environ["WORLD_SIZE"])
lightning.Trainer(
    accelerator="cpu",
    devices=ranks,
    strategy="ddp",
    max_steps=common.STEPS,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
).fit(Module(), torch.utils.data.DataLoader(torch.arange(64), batch_size=2))
