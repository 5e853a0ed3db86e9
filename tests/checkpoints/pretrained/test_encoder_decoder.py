"""BERT2BERT and RoBERTa against transformers: ids, outputs, searches, shared weights."""

import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import encoder_decoder
from s2s_zoo.protocol.errors import CheckpointError
from tests.checkpoints.pretrained.lines import LINES
from tests.checkpoints.pretrained.test_loader import change_tensors, edit, edit_within

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = [*LINES[::40], "Don't  X"]


@pytest.fixture(scope="module", params=["bert", "roberta"])
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, and its tokenizer."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import encoder_decoder as prepare

    directory = tmp_path_factory.mktemp("encoder-decoder")
    model, tokenizer, _ = prepare(directory, request.param)
    names = ("pad_token_id", "eos_token_id", "decoder_start_token_id")
    ids = {name: getattr(model.config, name) for name in names}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "orm" in name:
                parameter.uniform_(0.7, 1.3)
            elif "crossattention" in name:
                parameter.normal_(0, 0.4)
        model.get_output_embeddings().weight[tokenizer.sep_token_id] *= 2
    model.generation_config.update(num_beams=3, max_length=20, min_length=4, **ids)
    model.save_pretrained(directory)
    return directory, model, tokenizer


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


@pytest.mark.compares("ids", "texts", "logits", of=("bert2bert", "roberta2roberta"))
def test_outputs_and_tokens(oracle, pipeline):
    import torch

    _, model, tokenizer = oracle
    processor, texts = pipeline.processor, TEXTS[:5]
    theirs = tokenizer(texts, padding=True, return_tensors="pt")
    source = processor.pad(processor.encode_source(texts))
    order = processor.source_tokenizer.order
    assert pipeline.task == "summarization"
    assert [order[row[row != 0]].tolist() for row in source] == tokenizer(texts)["input_ids"]
    labels = processor.pad(processor.encode_target(texts))
    expected = [row[1:] for row in tokenizer(texts)["input_ids"]]  # without how a source begins
    assert [processor.order[row[row != 0]].tolist() for row in labels] == expected
    assert processor.decode(labels) == tokenizer.batch_decode(expected, skip_special_tokens=True)
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = model.config.decoder_start_token_id
    read[target == 0] = tokenizer.sep_token_id  # positions of a RoBERTa do not count padding
    ids, mask = theirs["input_ids"], theirs["attention_mask"]
    with torch.no_grad():
        found = model(input_ids=ids, attention_mask=mask, decoder_input_ids=torch.tensor(read))
    here = ops.convert_to_numpy(pipeline.model({"source": source, "target": target}))
    real = (labels != 0)[..., None]
    there = found.logits.numpy()[..., processor.order]
    assert np.abs(there).max() > 1
    np.testing.assert_allclose(here * real, there * real, atol=1e-4)


@pytest.mark.compares("greedy search", "beam search", of=("bert2bert", "roberta2roberta"))
@pytest.mark.parametrize("beams", [1, 4])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams):
    import torch

    _, model, tokenizer = oracle
    with torch.no_grad():
        ids = model.generate(
            **tokenizer(TEXTS, padding=True, return_tensors="pt"),
            num_beams=beams, max_length=12, min_length=4, no_repeat_ngram_size=2,
            forced_eos_token_id=tokenizer.sep_token_id,
            suppress_tokens=[tokenizer.pad_token_id, tokenizer.unk_token_id],
            bad_words_ids=[[tokenizer.cls_token_id]],
        )  # fmt: skip
    expected = tokenizer.batch_decode(ids, skip_special_tokens=True)
    start = pipeline.processor.to_ours(tokenizer.cls_token_id)
    options = {"num_beams": beams, "max_length": 11, "min_length": 3, "no_repeat_ngram_size": 2}
    assert pipeline(TEXTS, suppress_tokens=[start], **options) == expected
    assert len(set(expected)) > 4


def test_saving_sharing_and_lora(oracle, pipeline, tmp_path):
    answers = pipeline(TEXTS[:3])
    pipeline.save(tmp_path / "ours")
    assert from_pretrained(tmp_path / "ours")(TEXTS[:3]) == answers
    # With tie_encoder_decoder a file may have the weights of one side.
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    kind = oracle[1].config.encoder.model_type

    def shared(tensors):
        for name in list(tensors):
            inner = name.replace("encoder.", f"decoder.{kind}.", 1)
            if name.startswith("encoder.") and inner in tensors:
                del tensors[inner]

    change_tensors(copy, shared)
    with pytest.raises(CheckpointError, match="decoder.embeddings.LayerNorm.bias is missing"):
        from_pretrained(copy)
    edit(copy / "config.json", tie_encoder_decoder=True)
    again = from_pretrained(copy)
    weights = {
        weight.path.split("/", 1)[1]: ops.convert_to_numpy(weight) for weight in again.model.weights
    }
    for name in ("stack/layer_0/self_attention/query/kernel", "stack/embedding_norm/gamma"):
        np.testing.assert_array_equal(weights[f"encoder/{name}"], weights[f"decoder/{name}"])

    enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    before = again.score(TEXTS[:2], TEXTS[2:4]).sum()
    pairs = list(zip(TEXTS[:2], TEXTS[2:4], strict=True))
    again.model.fit(again.batches(pairs, batch_tokens=256), epochs=1, verbose=0)
    assert again.score(TEXTS[:2], TEXTS[2:4]).sum() != before


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_what_a_config_leaves_out(tmp_path, kind):
    mapping = pytest.importorskip("transformers").CONFIG_MAPPING
    said = {"model_type": kind, "add_cross_attention": True}
    full, described = {**mapping[kind]().to_dict(), **said}, []
    for part in (full, said):
        unified, _ = encoder_decoder.unify({"encoder": part, "decoder": part}, {}, tmp_path)
        described.append(encoder_decoder.describe(unified))
    assert described[0] == described[1]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"decoder": {"model_type": "gpt2"}}, "to be a bert or a roberta.*'gpt2'"),
        (
            "config.json",
            {"encoder": {"position_embedding_type": "relative_key"}},
            "cannot do: posi",
        ),
        ("config.json", {"encoder": {"hidden_size": 64}}, "cannot do: hidden sizes that differ"),
        ("config.json", {"decoder": {"add_cross_attention": False}}, "add_cross_attention=False"),
        (
            "config.json",
            {"decoder": {"vocab_size": 1 << 40}},
            "config.json does not describe|The tok",
        ),
        ("config.json", {"decoder": {"num_hidden_layers": 10**6}}, "1000000 layers"),
        ("config.json", {"encoder": 5}, "config.json does not describe"),
        ("tokenizer_config.json", {"unk_token": "[x]"}, "expected unk_token to be the token"),
    ],
)
def test_what_is_refused(oracle, tmp_path, file, change, message):
    copy = shutil.copytree(oracle[0], tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
