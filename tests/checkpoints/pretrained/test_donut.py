"""Donut, and a Swin beside another decoder, against transformers: pages, tags, outputs, forms."""

import json
import shutil

import numpy as np
import pytest
from keras import ops

from s2s_zoo import enable_lora, from_pretrained
from s2s_zoo.checkpoints.pretrained import tags, vision_encoder_decoder
from s2s_zoo.protocol.errors import CheckpointError, DataError
from tests.checkpoints.pretrained.lines import LINES, pieces_model
from tests.checkpoints.pretrained.mixed_oracle import TAGS
from tests.checkpoints.pretrained.test_loader import edit, edit_within
from tests.checkpoints.pretrained.test_vision import images

pytestmark = pytest.mark.filterwarnings("ignore")
# As the published Donuts, what else a Donut may be, and a Swin that is none.
VARIANTS = {
    "donut": ("donut-swin", {}, {"scale_embedding": True}, {}),
    "turned": (
        "donut-swin",
        {"qkv_bias": False, "mlp_ratio": 1.5, "window_size": 3, "hidden_act": "gelu_new"},
        {"activation_function": "relu", "tie_word_embeddings": False, "d_model": 24},
        {"do_align_long_axis": True},
    ),
    "swin": ("swin", {"image_size": [64, 48]}, {}, {}),
}


def pages(count):
    """Images of proportions that all lie differently in a page."""
    shapes = [(90, 64), (40, 56), (200, 30), (33, 150), (64, 48), (50, 50)]
    return [images(i + 1, *shapes[i % len(shapes)])[-1] for i in range(count)]


@pytest.fixture(scope="module", params=VARIANTS)
def oracle(request, tmp_path_factory):
    """A directory, the model that wrote it, its tokenizer and its image processor."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from tests.checkpoints.pretrained.mixed_oracle import donut as prepare

    directory = tmp_path_factory.mktemp("donut")
    model, tokenizer, pixels = prepare(directory, *VARIANTS[request.param])
    start = model.config.decoder_start_token_id
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
            elif "orm" in name:
                parameter.uniform_(0.7, 1.3)
            elif "bias_table" in name:
                parameter.normal_()
            elif "encoder_attn" in name:
                parameter.normal_(0, 0.5)
    model.generation_config.update(
        max_length=24, num_beams=3, decoder_start_token_id=start, eos_token_id=2, pad_token_id=1
    )
    model.save_pretrained(directory)
    return directory, model, tokenizer, pixels, request.param


@pytest.fixture(scope="module")
def pipeline(oracle):
    return from_pretrained(oracle[0])


def their_pixels(oracle, found):
    return oracle[3](found, return_tensors="pt")["pixel_values"]


@pytest.mark.compares("pixels", "ids", "texts", "logits", of=("donut", "donut-turned", "swin"))
def test_outputs_and_tokens(oracle, pipeline):
    import torch

    _, model, tokenizer, *_ = oracle
    found, texts = pages(6), [f"<s_nm>{LINES[3]}</s_nm>", "<s_cnt>2<sep/>3", *LINES[5:8], "<yes/>"]
    processor = pipeline.processor
    theirs = their_pixels(oracle, found)
    ours = np.stack(processor.encode_source(found))
    np.testing.assert_allclose(ours / 127.5 - 1, theirs.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    labels = processor.pad(processor.encode_target(texts, truncate=False))
    assert [processor.order[row[row != 0]].tolist() for row in labels] == [[*x, 2] for x in ids]
    tags = model.config.encoder.model_type == "donut-swin"
    assert processor.decode(labels) == tokenizer.batch_decode(ids, skip_special_tokens=not tags)
    target = np.concatenate([np.ones_like(labels[:, :1]), labels[:, :-1]], axis=1)
    read = np.array(processor.order[target])
    read[:, 0] = model.config.decoder_start_token_id
    with torch.no_grad():
        there = model(pixel_values=theirs, decoder_input_ids=torch.tensor(read))
    memory = pipeline.model.encode(ours).memory
    expected = model.encoder(theirs).last_hidden_state.detach().numpy()
    if hasattr(model, "enc_to_dec_proj"):
        expected = model.enc_to_dec_proj(torch.tensor(expected)).detach().numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(memory), expected, atol=1e-4)
    here = ops.convert_to_numpy(pipeline.model({"source": ours, "target": target}))
    real = (labels != 0)[..., None]
    assert np.abs(here).max() > 1
    there = there.logits.numpy()[..., processor.order]
    np.testing.assert_allclose(here * real, there * real, atol=1e-4)


@pytest.mark.compares("greedy search", of=("donut", "swin"))
@pytest.mark.compares("beam search", of=("donut", "donut-turned"))
@pytest.mark.parametrize(("beams", "prompt"), [(1, "<s_nm>a dog</s_nm><s_cnt>"), (4, "")])
def test_searches_find_what_transformers_finds(oracle, pipeline, beams, prompt):
    import torch

    _, model, tokenizer, _, variant = oracle
    if (variant, beams) in (("turned", 1), ("swin", 4)):
        pytest.skip("another variant has this search")
    found, more = pages(12), {}
    tags = model.config.encoder.model_type == "donut-swin"
    if prompt:
        prompt = TAGS[0] + prompt if tags else prompt
        # Only of a Donut the prompt has to have what its decoder starts from.
        ids = tokenizer([prompt] * len(found), add_special_tokens=False)["input_ids"]
        more["decoder_input_ids"] = torch.tensor(ids)
    with torch.no_grad():
        ids = model.generate(
            their_pixels(oracle, found),
            num_beams=beams, max_length=20, forced_eos_token_id=2, **more,
            suppress_tokens=[1, tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids(TAGS[0])],
        )  # fmt: skip
    rows = [[token for token in row[1:].tolist() if token not in (0, 1, 2)] for row in ids]
    expected = tokenizer.batch_decode(rows, skip_special_tokens=not tags)
    start = pipeline.processor.to_ours(tokenizer.convert_tokens_to_ids(TAGS[0]))
    options = {"num_beams": beams, "max_length": 19, "suppress_tokens": [start]}
    if prompt:
        options["forced_prefix"] = prompt
    assert pipeline(found, **options) == expected
    assert len(set(expected)) > 6


def test_saving_and_tuning(oracle, pipeline, tmp_path):
    if oracle[4] != "donut":
        pytest.skip("another variant is saved like this one")
    found = pages(2)
    assert pipeline.generation["num_beams"] == 3
    answers = pipeline(found)
    assert pipeline(found[0], return_alignment=True).alignment.shape[1] == 8 * 6
    pipeline.save(tmp_path / "ours")
    again = from_pretrained(tmp_path / "ours")
    assert again(found) == answers
    assert again.processor.get_config() == pipeline.processor.get_config()
    with pytest.raises(ValueError, match="SwinEncoder .*Train the whole model instead"):
        enable_lora(again.model, 2)
    again.compile()
    again.model.run_eagerly = True
    pairs = [(str(tmp_path / f"{i}.png"), f"<s_nm>{x}</s_nm>") for i, x in enumerate(LINES[:2])]
    for image, (name, _) in zip(found, pairs, strict=True):
        image.save(name)
    before = again.score(found, LINES[:2]).sum()
    again.model.fit(again.batches(pairs, batch_tokens=128), epochs=1, verbose=0)
    assert again.score(found, LINES[:2]).sum() != before


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A Donut of no more than is needed to be refused, or to be read."""
    transformers = pytest.importorskip("transformers")
    directory = tmp_path_factory.mktemp("small")
    (directory / "sentencepiece.bpe.model").write_bytes(pieces_model(200)[0])
    tokenizer = transformers.XLMRobertaTokenizer.from_pretrained(directory)
    tokenizer.add_tokens(TAGS, special_tokens=True)
    tokenizer.save_pretrained(directory)
    encoder = transformers.DonutSwinConfig(
        image_size=[64, 48], embed_dim=8, depths=[1], num_heads=[2], window_size=4
    )
    decoder = transformers.MBartConfig(
        vocab_size=len(tokenizer), d_model=8, decoder_layers=1, decoder_attention_heads=2,
        decoder_ffn_dim=8, max_position_embeddings=20, is_decoder=True, add_cross_attention=True,
    )  # fmt: skip
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.pad_token_id, config.eos_token_id = 1, 2
    transformers.VisionEncoderDecoderModel(config=config).save_pretrained(directory)
    path = directory / "preprocessor_config.json"
    path.write_text(json.dumps({"size": [48, 64], "image_processor_type": "DonutImageProcessor"}))
    return directory


def test_what_a_text_begins_with(written, tmp_path):
    """Published Donuts do not say it: it is the tag that nothing closes."""
    pipeline = from_pretrained(written)
    processor = pipeline.processor
    start = processor.to_ours(processor.tokenizer.vocabulary["<s_form>"])
    assert pipeline.model.decoder.start_token == start
    rows = processor.encode_target(["<s_form><s_nm>a</s_nm>", "<s_nm>a</s_nm>"])
    assert rows[0].tolist() == rows[1].tolist()
    copy = shutil.copytree(written, tmp_path / "copy")
    edit(copy / "config.json", decoder_start_token_id=2)
    other = from_pretrained(copy)
    assert other.model.decoder.start_token == 2
    with pytest.raises(
        DataError, match="starts from no task.*begins with <s_form>.*start_token_id"
    ):
        other(pages(1), forced_prefix="<s_form><s_nm>")


def test_what_is_written_in_an_image_is_not_mirrored(written):
    processor, pairs = from_pretrained(written).processor, [("page.png", "<s_nm>a</s_nm>")]
    for said, mirrors in (({}, False), ({"mirror": True}, True)):
        assert bool(processor.training_batches(pairs, **said).mirror) is mirrors


@pytest.mark.filterwarnings("default")
def test_of_several_tasks_the_one_that_is_taken_is_said(written, tmp_path):
    copy = shutil.copytree(written, tmp_path / "copy")
    text = (copy / "tokenizer.json").read_text().replace("</s_cnt>", "<s_more>")
    (copy / "tokenizer.json").write_text(text)
    text = (copy / "tokenizer_config.json").read_text().replace("</s_cnt>", "<s_more>")
    (copy / "tokenizer_config.json").write_text(text)
    with pytest.warns(UserWarning, match="<s_form>, <s_cnt>, <s_more>.*: <s_form> is taken"):
        pipeline = from_pretrained(copy)
    with pytest.raises(DataError, match="starts from <s_form>.*begins with <s_more>"):
        pipeline.processor.encode_target(["<s_more>"])


FORMS = {
    "<s_a>1</s_a><s_b> x y </s_b>": {"a": "1", "b": "x y"},
    "<s_a>1<sep/>2<sep/></s_a>": {"a": ["1", "2", ""]},
    "<s_m><s_a>1</s_a><sep/><s_a>2</s_a><s_b>3</s_b></s_m>": {
        "m": [{"a": "1"}, {"a": "2", "b": "3"}]
    },
    "<s_m><s_n><s_a>1</s_a></s_n></s_m>": {"m": {"n": {"a": "1"}}},
    "<s_a>1</s_a><sep/><s_a>2</s_a>": [{"a": "1"}, {"a": "2"}],
    "<s_a><yes/></s_a><s_b><no/></s_b>": {"a": "yes", "b": "<no/>"},
    "<s_m><s_a>1</s_a><s_b>2": {"a": "1"},
    "plain": {"text_sequence": "plain"},
    "": {"text_sequence": ""},
    "<s_a>": {"text_sequence": "<s_a>"},
    "</s_a>1<s_b>2</s_b>": {"b": "2"},
}


@pytest.mark.parametrize("text", FORMS)
def test_forms(text):
    assert tags.token2json(text, ["<yes/>"]) == FORMS[text]


@pytest.mark.compares("forms", of=("donut",))
def test_forms_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")

    class Words:
        def get_added_vocab(self):
            return {"<yes/>": 1}

    theirs = transformers.DonutProcessor.token2json
    holder = type("Holder", (), {"tokenizer": Words(), "token2json": theirs})()
    rng = np.random.default_rng(0)

    def made(depth):
        keys = rng.choice(list("abcdef"), rng.integers(1, 4), replace=False)
        forms = []
        for key in keys:
            if depth and rng.random() < 0.5:
                inner = "<sep/>".join(made(depth - 1) for _ in range(rng.integers(1, 3)))
            else:
                leaves = rng.choice(["x", " y z ", "<yes/>", "1,0"], rng.integers(1, 3))
                inner = "<sep/>".join(leaves)
            key = f"{key}{depth}"  # a key within itself is cut in half there
            forms.append(f"<s_{key}>{inner}</s_{key}>")
        return "".join(forms)

    for text in [made(2) for _ in range(100)]:
        assert tags.token2json(text, ["<yes/>"]) == holder.token2json(text)


def test_a_form_of_any_depth_is_no_attack():
    text = "<s_a>" * 20_000 + "x" + "</s_a>" * 20_000
    assert tags.token2json(text)
    assert tags.token2json("<s_a>" * 20_000) == {"text_sequence": "<s_a>" * 20_000}


def test_what_a_config_leaves_out(tmp_path):
    transformers = pytest.importorskip("transformers")
    for kind in ("donut-swin", "swin"):
        told = {"decoder": {"model_type": "mbart", "add_cross_attention": True}}
        silent = {**told, "encoder": {"model_type": kind}}
        full = {
            side: {**transformers.CONFIG_MAPPING[said["model_type"]]().to_dict(), **said}
            for side, said in silent.items()
        }
        described = []
        for config in (full, silent):
            unified, _ = vision_encoder_decoder.unify(config, {}, tmp_path)
            described.append(vision_encoder_decoder.describe(unified))
        assert described[0] == described[1]


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"encoder": {"window_size": 40}}, "a window that fits.*window=40"),
        ("config.json", {"encoder": {"depths": [1] * 9}}, "layers and heads of 1 to 8 stages"),
        ("config.json", {"encoder": {"depths": [10**6]}}, "1000000 layers"),
        ("config.json", {"encoder": {"depths": 5}}, "config.json does not describe"),
        ("config.json", {"encoder": {"patch_size": 5}}, "a patch that divides"),
        ("config.json", {"encoder": {"embed_dim": 1 << 40}}, "config.json does not describe"),
        ("config.json", {"encoder": {"use_absolute_embeddings": True}}, "use_absolute_embeddings"),
        ("config.json", {"encoder": {"hidden_act": "mish"}}, "Unknown hidden_act"),
        ("preprocessor_config.json", {"do_pad": False}, "laid on black.*'do_pad': False"),
        ("preprocessor_config.json", {"resample": 3}, "laid on black.*'resample': 3"),
        ("preprocessor_config.json", {"do_rescale": False}, "'do_rescale': False"),
        ("preprocessor_config.json", {"size": [48, 10**6]}, "32 to 4096 pixels|a patch that"),
        (
            "preprocessor_config.json",
            {"image_processor_type": "NougatImageProcessor"},
            "laid on black.*Nougat",
        ),
        ("tokenizer_config.json", {"unk_token": "<s>"}, "expected unk_token to be the token"),
    ],
)  # fmt: skip
def test_what_is_refused(written, tmp_path, file, change, message):
    copy = shutil.copytree(written, tmp_path / "copy")
    edit_within(copy / file, change)
    with pytest.raises(CheckpointError, match=message):
        from_pretrained(copy)
