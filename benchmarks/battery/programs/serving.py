"""A loop that serves: a pool of worker processes makes the requests, rank 0 hands them to all ranks."""

import multiprocessing

import common
import torch
import torch.distributed as dist


def request(number: int) -> list[float]:
    """What a client sends."""
    return [float(number % 7)] * 64


def main() -> None:
    """Serve a few requests."""
    dist.init_process_group("gloo")
    model = common.model()
    with multiprocessing.get_context("spawn").Pool(2) as clients, torch.no_grad():
        for step, sent in enumerate(clients.imap(request, range(common.STEPS))):
            tokens = torch.tensor(sent)
            dist.broadcast(tokens, 0)
            answer = model(tokens)
            dist.all_reduce(answer)
            common.told(step, answer.sum())
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
