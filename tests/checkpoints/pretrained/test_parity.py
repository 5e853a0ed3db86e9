"""Imported models against transformers: tokens, outputs, gradients, searches."""

import itertools
import json
import re
import shutil
import unicodedata

import numpy as np
import pytest
from keras import ops

from s2s_zoo import from_pretrained
from s2s_zoo.protocol.errors import CheckpointError, DataError
from tests.checkpoints.pretrained.conftest import FAMILIES, GREEDY, PLAIN

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.checkpoints.pretrained.lines import AS_IT_IS, LINES
from tests.checkpoints.pretrained.oracle import padded  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
SOURCES = LINES[::4]


@pytest.fixture(scope="module", params=FAMILIES)
def pair(request, oracle):
    """The pipeline of a checkpoint, and its Oracle."""
    theirs = oracle(request.param)
    return from_pretrained(theirs.directory), theirs


def their_ids(theirs, texts):
    return [row[:] for row in theirs.tokenizer(texts)["input_ids"]]


@pytest.mark.compares("ids", "texts")
def test_ids_and_texts_are_those_of_transformers(pair):
    pipeline, theirs = pair
    processor = pipeline.processor
    texts = [*LINES, "", "a</s>b", "tab\tand  spaces", "𝔘𝔫𝔦 ✓ \u200b x"]
    texts += [
        f"{a} {b}" for a, b in itertools.islice(itertools.product(LINES, LINES), 0, None, 169)
    ]
    expected = their_ids(theirs, texts)
    order = processor.source_tokenizer.order
    ours = [order[row].tolist() for row in processor.encode_source(texts)]
    # A BlenderbotSmall reads sources without an end; here there is no source without a token.
    expected = [row or [theirs.model.config.eos_token_id] for row in expected]
    wrong = [(t, o, e) for t, o, e in zip(texts, ours, expected, strict=True) if o != e]
    assert wrong == []
    rows = processor.pad(processor.encode_target(LINES, truncate=False))
    labels = theirs.tokenizer(text_target=LINES)["input_ids"]
    decoded = theirs.tokenizer.batch_decode(labels, skip_special_tokens=True)
    # transformers leaves languages in the text of M2M-100.
    assert processor.decode(rows) == [re.sub("__en__ ", "", text) for text in decoded]


def their_batch(theirs, texts, targets=None):
    import torch

    pad = theirs.model.config.pad_token_id
    ids, mask = padded(their_ids(theirs, texts), pad)
    batch = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
    if theirs.model.config.model_type == "led":  # as they are trained and used
        first = torch.arange(ids.shape[1])[None] == 0
        batch["global_attention_mask"] = first * batch["attention_mask"]
    return batch


def our_batch(pipeline, texts, targets):
    """Inputs, labels and weights as `batches` makes them, in one shape."""
    processor = pipeline.processor
    source = processor.pad(processor.encode_source(texts))
    labels = processor.pad(processor.encode_target(targets))
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    return {"source": source, "target": np.where(target == 2, 0, target)}, labels


def their_outputs(model, batch, read):
    """What they are for whole targets, or of a ProphetNet for one token after the other.

    Of whole targets transformers gives it the biases of other positions than it stands at.
    """
    if model.config.model_type != "prophetnet":
        return model(**batch, decoder_input_ids=read)
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    found, logits = None, []
    for i in range(read.shape[1]):
        past = {}
        if found is not None:
            encoded = BaseModelOutput(last_hidden_state=found.encoder_last_hidden_state)
            past = {"cache": found.cache, "encoder_outputs": encoded}
        found = model(**batch, decoder_input_ids=read[:, i : i + 1], use_cache=True, **past)
        logits.append(found.logits)
    found.logits = torch.cat(logits, dim=1)
    return found


@pytest.mark.compares("logits", "gradients")
def test_outputs_and_gradients(pair):
    import torch

    pipeline, theirs = pair
    model, processor = pipeline.model, pipeline.processor
    texts, targets = SOURCES[:12], SOURCES[5:17]
    inputs, labels = our_batch(pipeline, texts, targets)
    batch = their_batch(theirs, texts)
    their_labels = torch.tensor(np.where(labels == 0, -100, processor.order[labels]))
    start = torch.full_like(their_labels[:, :1], int(processor.order[model.decoder.start_token]))
    decoder_input = torch.cat([start, their_labels[:, :-1].clamp(min=0)], dim=1)
    found = their_outputs(theirs.model, batch, decoder_input)
    real = np.asarray(batch["attention_mask"])[..., None]

    encoded = model.encode(inputs["source"])
    np.testing.assert_allclose(
        ops.convert_to_numpy(encoded.memory) * real,
        found.encoder_last_hidden_state.detach().numpy() * real,
        atol=1e-4,
    )
    logits = ops.convert_to_numpy(model(inputs))
    theirs_here = found.logits.detach().numpy()[..., processor.order]
    weights = (labels != 0)[..., None]
    assert np.abs(theirs_here).max() > 1
    np.testing.assert_allclose(logits * weights, theirs_here * weights, atol=1e-4)

    theirs.model.zero_grad()
    loss = torch.nn.functional.cross_entropy(found.logits.flatten(0, 1), their_labels.flatten())
    loss.backward()
    ours, gradients = our_gradients(model, inputs, labels)
    assert abs(ours - loss.item()) < 1e-4
    expected = {name: p.grad for name, p in theirs.model.named_parameters() if p.grad is not None}
    compare_gradients(pipeline, theirs, gradients, expected)


def our_gradients(model, inputs, labels):
    import tensorflow as tf

    from s2s_zoo.training.losses import SmoothedCrossEntropy

    with tf.GradientTape() as tape:
        weights = (labels != 0).astype("float32")
        loss = SmoothedCrossEntropy()(labels, model(inputs), sample_weight=weights)
    found = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    return float(loss), [tf.convert_to_tensor(gradient).numpy() for gradient in found]


def compare_gradients(pipeline, theirs, gradients, expected):
    """Every gradient of theirs has its equal among ours, found by way of the names."""
    from s2s_zoo.checkpoints.pretrained import FAMILIES
    from s2s_zoo.checkpoints.pretrained.prophetnet import RENAMED

    config = theirs.model.config.to_dict()
    config["tie_word_embeddings"] = pipeline.model.decoder.tie_embeddings
    config.setdefault("scale_decoder_outputs", config["model_type"] == "t5")
    family = FAMILIES[config["model_type"]]
    for prefix, ours in ((r"^(model|led)\.", ""), *RENAMED):
        expected = {re.sub(prefix, ours, name): grad for name, grad in expected.items()}
    expected = {name: grad.numpy() for name, grad in expected.items()}
    compared = set()
    for weight, ours in zip(pipeline.model.trainable_weights, gradients, strict=True):
        name = weight.path.split("/", 1)[1]
        theirs_name = next((n for n in family.names(name, config) if n in expected), None)
        if theirs_name is None:
            assert name == "decoder/output_bias"  # a constant there
            continue
        grad = expected[theirs_name]
        grad = grad.T if name.endswith("kernel") else grad
        grad = grad[-1] if name == "decoder/stream" else grad
        if name.endswith("embedding/embeddings"):
            side = "source" if name.startswith("encoder") else "target"
            grad = grad[getattr(pipeline.processor, f"{side}_tokenizer").order]
        if name == "decoder/output/kernel":
            grad = grad[:, pipeline.processor.order]
        scale = family.scale(name, config)
        ours = ours * scale
        if name.endswith("embedding/embeddings") and pipeline.model.decoder.start_token == 0:
            # torch leaves the padding row out, also where a decoder starts from it.
            ours, grad = ours[1:], grad[1:]
        np.testing.assert_allclose(ours, grad, atol=1e-4, rtol=1e-4, err_msg=name)
        compared.add(theirs_name)
    assert compared == set(expected)


@pytest.mark.compares("beam search")
@pytest.mark.compares("greedy search", of=GREEDY)
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(pair, beams):
    import torch

    pipeline, theirs = pair
    if beams == 1 and theirs.directory.name not in GREEDY:
        pytest.skip("another family begins its texts like this one")
    processor, end = pipeline.processor, theirs.model.config.eos_token_id
    texts = SOURCES[:200]
    unknown = int(processor.order[1])
    pad = theirs.model.config.pad_token_id
    with torch.no_grad():
        found = theirs.model.generate(
            **their_batch(theirs, texts),
            num_beams=beams,
            suppress_tokens=sorted({unknown, pad}),
            forced_eos_token_id=end,
            no_repeat_ngram_size=2,
            max_length=24,
        )
    expected = [row[1:].tolist() for row in found]
    expected = [row[: row.index(end) + 1] for row in expected]
    options = {"num_beams": beams, "max_length": 23, "no_repeat_ngram_size": 2}
    search = pipeline.plan(options)
    rows = processor.encode_source(texts)
    ours = pipeline.searcher.run(search, rows).tokens[:, 0]
    ours = [[int(processor.order[t]) for t in row if t != 0] for row in ours]
    wrong = [(o, e) for o, e in zip(ours, expected, strict=True) if o != e]
    assert wrong == []
    assert len({tuple(row) for row in expected}) > 10
    assert len({len(row) for row in expected}) > 1


@pytest.mark.compares("its own defaults", of=PLAIN)
def test_defaults_of_the_checkpoint(pair):
    """Without any option: the beams, penalties, forced tokens and lengths of its own."""
    import torch

    pipeline, theirs = pair
    if theirs.directory.name not in PLAIN:
        pytest.skip("a variant has the defaults of its family")
    processor = pipeline.processor
    texts = SOURCES[::3]
    suppressed = sorted({int(processor.order[1]), theirs.model.config.pad_token_id})
    with torch.no_grad():
        found = theirs.model.generate(**their_batch(theirs, texts), suppress_tokens=suppressed)
    limit = theirs.model.generation_config.max_length
    options = {"max_length": limit - 1, **AS_IT_IS} if pipeline.task == "translation" else {}
    expected = theirs.tokenizer.batch_decode(found, skip_special_tokens=True)
    # transformers leaves languages in the text of M2M-100.
    expected = [re.sub("__[a-z]+__", "", text) for text in expected]
    assert pipeline(texts, **options) == expected


def test_bad_words_of_several_tokens(oracle, tmp_path):
    import torch

    theirs = oracle("marian")
    texts, pad = SOURCES[::3], theirs.model.config.pad_token_id
    pairs = [row[2:4].tolist() for row in theirs.model.generate(**their_batch(theirs, texts))]
    banned = [[pad], *(pair for pair in pairs if pad not in pair and 0 not in pair)]
    with torch.no_grad():
        found = theirs.model.generate(
            **their_batch(theirs, texts), bad_words_ids=banned, suppress_tokens=[1]
        )
    expected = theirs.tokenizer.batch_decode(found, skip_special_tokens=True)
    other = shutil.copytree(theirs.directory, tmp_path / "other")
    path = other / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bad_words_ids": banned}))
    limit = {"max_length": theirs.model.generation_config.max_length - 1, **AS_IT_IS}
    pipeline = from_pretrained(other)
    assert pipeline(texts, **limit) == expected
    assert from_pretrained(theirs.directory)(texts, **limit) != expected
    pipeline.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(texts, **limit) == expected


def test_tokenizer_files_of_other_kinds(pair, tmp_path):
    """The same ids from the SentencePiece or BPE files as from tokenizer.json, and back."""
    pipeline, theirs = pair
    if not (theirs.directory / "tokenizer.json").exists():
        theirs.tokenizer.save_pretrained(tmp_path / "json")
    other = shutil.copytree(theirs.directory, tmp_path / "other")
    kinds = [path for path in other.iterdir() if path.suffix in (".spm", ".model", ".txt")]
    if (other / "tokenizer.json").exists() and kinds:
        (other / "tokenizer.json").unlink()
    elif kinds and (tmp_path / "json" / "tokenizer.json").exists():
        shutil.copy(tmp_path / "json" / "tokenizer.json", other)
    else:
        pytest.skip("one kind only")
    processor = from_pretrained(other).processor
    assert processor.files.keys() != pipeline.processor.files.keys()
    for ours, expected in zip(
        processor.encode_source(LINES), pipeline.processor.encode_source(LINES), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)
    rows = processor.pad(processor.encode_target(LINES, truncate=False))
    assert processor.decode(rows) == pipeline.processor.decode(rows)


def test_bart_has_a_mask_without_a_row(oracle, tmp_path):
    theirs = oracle("bart")
    mask = theirs.tokenizer.convert_tokens_to_ids("<mask>")
    text = "a dog <mask> in the park."
    processor = from_pretrained(theirs.directory).processor
    ids = processor.order[processor.encode_source([text])[0]]
    assert mask in ids and ids.tolist() == their_ids(theirs, [text])[0]
    tokenizer = from_pretrained(theirs.directory).processor
    options = {**tokenizer.options, "vocabulary_size": 300}
    with pytest.raises(CheckpointError, match="the model a vocabulary of 300"):
        type(processor)(processor.files, options)


def test_mbart_cc25_ends_sources_with_their_language(oracle, tmp_path):
    """The older form: source, end, language; the decoder starts from the target's language."""
    from tests.checkpoints.pretrained.oracle import cc25

    directory = tmp_path / "cc25"
    model, tokenizer = cc25(directory)
    pipeline = from_pretrained(directory, source="de", target="ro_RO")
    # transformers 5 has lost the normalization of this tokenizer, which SentencePiece does.
    texts = [text for text in LINES if unicodedata.normalize("NFKC", text) == text]
    expected = tokenizer(texts)["input_ids"]
    for row, theirs in zip(pipeline.processor.encode_source(texts), expected, strict=True):
        assert pipeline.processor.order[row].tolist() == theirs
    start = pipeline.processor.order[pipeline.model.decoder.start_token]
    assert tokenizer.convert_ids_to_tokens(int(start)) == "ro_RO"
    assert isinstance(pipeline(LINES[0]), str)
    with pytest.raises(DataError, match="Load it with.*target='en'"):
        pipeline(LINES[0], target="en")
