"""Data sets that come with wsss-bench; installed as `bench.datasets`, so that Hugging Face's `datasets` stays what it is."""

if __name__ == "datasets":
    raise ImportError(
        "this folder is wsss-bench's bench.datasets, not Hugging Face's datasets: "
        "leave the repository's folder, or start Python with -P, before you import datasets"
    )
