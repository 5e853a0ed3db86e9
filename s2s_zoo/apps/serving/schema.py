"""What a request may say."""

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from s2s_zoo.apps.serving.refused import Refused
from s2s_zoo.generation.options import OPTIONS
from s2s_zoo.protocol.registry import unknown_name

MOST_BEAMS = 16
MOST_WORDS = 1000  # of a user, that come through or have a translation of their own
MOST_CONTEXT = 1 << 20  # characters of the text that questions are about
Word = Annotated[str, Field(min_length=1, max_length=200)]


# The options of a search that a request may have. Whatever makes memory or time grow has a limit
# here, beside what the search itself allows.
LIMITS = {
    "strategy": {},
    "num_beams": {"le": MOST_BEAMS},
    "num_return": {"le": MOST_BEAMS},
    "max_length": {"ge": 2},
    "num_beam_groups": {"le": MOST_BEAMS},
    "diversity_penalty": {"le": 100},
    "length_penalty": {"ge": -5, "le": 5},
    "no_repeat_ngram_size": {"le": 10},
    "repetition_penalty": {"le": 10},
    "end_growth": {"le": 10},
    "end_growth_start": {"le": 1 << 16},
    "forced_prefix": {"max_length": 1000},
    "temperature": {"le": 100},
    "top_k": {"le": 1000},
    "top_p": {},
    "min_p": {},
    "typical_p": {},
    "epsilon_cutoff": {},
    "eta_cutoff": {},
    "seed": {},
    "shortlist": {},
}


class Call(BaseModel):
    """What a call of the pipeline has beside the options of its search."""

    model_config = ConfigDict(extra="forbid", strict=True)

    return_alignment: bool = False
    source: str | None = None
    target: str | None = None

    def chosen(self) -> dict[str, Any]:
        """The options that were given, a dict."""
        mine = type(self).model_fields.keys() - {"return_alignment", *OTHERS}
        return {k: v for k, v in self.model_dump(include=mine).items() if v is not None}


def _field(option, limits):
    """What pydantic makes a field of an option of."""
    own = {"ge": option.least, "gt": option.above, "le": option.most}
    bounds = {name: limit for name, limit in {**own, **limits}.items() if limit is not None}
    kind = Literal[option.choices] if option.choices else option.kind
    return Annotated[kind, Field(**bounds)] | None, None


if TYPE_CHECKING:
    Options = Call
else:
    Options = create_model(
        "Options",
        __base__=Call,
        __doc__="The options of a call of the pipeline that a request may have, under their names.",
        **{name: _field(OPTIONS[name], limits) for name, limits in LIMITS.items()},
    )


class OfText(Options):
    """How the texts of a request are read, under the names that a call in Python has."""

    split: bool | None = None
    protect: bool | None = None
    keep: list[Word] | None = Field(None, max_length=MOST_WORDS)
    terms: dict[Word, Word] | None = Field(None, max_length=MOST_WORDS)
    notation: bool | None = None
    markdown: bool | None = None
    detect: bool | None = None
    doubt: Annotated[float, Field(le=0)] | Literal[False] | None = None
    length: Literal["line", "short", "paragraph"] | Annotated[int, Field(ge=1, le=50)] | None = None
    bullets: bool | None = None
    format: Literal["text", "html", "markdown", "srt", "vtt"] | None = None
    faithful: bool | None = None
    extract: bool | None = None
    context: Annotated[str, Field(max_length=MOST_CONTEXT)] | None = None

    def chosen(self) -> dict[str, Any]:
        """The options that were given, a dict of what can be hashed."""
        given = super().chosen()
        if self.keep is not None:
            given["keep"] = tuple(self.keep)
        if self.terms is not None:
            given["terms"] = tuple(self.terms.items())
        return given


class Texts(OfText):
    """A request to a model that reads text."""

    texts: list[str]

    def sources(self) -> list[str]:
        return _unicode(self.texts, "texts")


class Text(OfText):
    """The same for one text, token by token."""

    text: str

    def sources(self) -> list[str]:
        return _unicode([self.text], "text")


class Images(Options):
    """A request to a model that reads images: files in base64."""

    images: list[str]

    def sources(self) -> list[bytes]:
        return [_from_base64(image, f"images[{i}]") for i, image in enumerate(self.images)]


class Image(Options):
    """The same for one image, token by token."""

    image: str

    def sources(self) -> list[bytes]:
        return [_from_base64(self.image, "image")]


class OfSound(Options):
    """What is asked of the recordings of a request, under the names that a call in Python has."""

    language: Annotated[str, Field(max_length=100)] | None = None
    task: Literal["transcribe", "translate"] | None = None
    return_timestamps: bool | Literal["word"] | None = None
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    initial_prompt: Annotated[str, Field(max_length=1000)] | None = None
    hot_words: list[Word] | None = Field(None, max_length=100)
    condition_on_previous_text: bool | None = None

    def chosen(self) -> dict[str, Any]:
        """The options that were given, a dict of what can be hashed."""
        given = super().chosen()
        if self.hot_words is not None:
            given["hot_words"] = tuple(self.hot_words)
        return given


class Sounds(OfSound):
    """A request to a model that reads recordings: files in base64."""

    audios: list[str]

    def sources(self) -> list[bytes]:
        return [_from_base64(sound, f"audios[{i}]") for i, sound in enumerate(self.audios)]


class Sound(OfSound):
    """The same for one recording, part by part."""

    audio: str

    def sources(self) -> list[bytes]:
        return [_from_base64(self.audio, "audio")]


REQUESTS: dict[str, tuple[type[Call], type[Call]]] = {
    "text": (Texts, Text),
    "image": (Images, Image),
    "audio": (Sounds, Sound),
}  # of many, of one
EXAMPLES = {
    Texts: '{"texts": ["…", "…"]}',
    Text: '{"text": "…"}',
    Images: '{"images": ["…"]}, each the bytes of a file in base64',
    Image: '{"image": "…"}, the bytes of a file in base64',
    Sounds: '{"audios": ["…"]}, each the bytes of a file in base64',
    Sound: '{"audio": "…"}, the bytes of a file in base64',
}
OTHERS = {"texts", "text", "images", "image", "audios", "audio"}


def parse(kind: type[Call], content_type: str, body: bytes) -> Any:
    """Returns the request in a body.

    Args:
        kind: one of the classes above.
        content_type: str, the header.
        body: bytes.

    Raises:
        Refused: 415 for a body of another type, 400 for one that is no JSON or of another kind,
            422 for a field that is unknown or has no such value.
    """
    expected = f"Expected application/json, such as {EXAMPLES[kind]}."
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, f"{expected} Received: Content-Type {content_type or 'none'!r:.80}.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(400, f"The body is not valid UTF-8 at byte {error.start + 1}.") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(kind, error.errors(include_url=False), expected) from error


def _refusal(kind, errors, expected):
    """The Refused for what pydantic found."""
    names = {".".join(map(str, error["loc"])): error for error in errors}
    broken = next((error for error in errors if error["type"] == "json_invalid"), None)
    if broken:
        return Refused(400, f"The body is no JSON: {broken['ctx']['error']}. {expected}")
    if any(not error["loc"] for error in errors):
        return Refused(400, f"The body is no JSON object. {expected}")
    other = OTHERS.intersection(names) - kind.model_fields.keys()
    if other:
        return Refused(400, f"{expected} Received: {', '.join(map(repr, sorted(other)))}.")
    error = errors[0]
    name, *places = error["loc"]
    if error["type"] == "extra_forbidden":
        return Refused(422, unknown_name(kind.model_fields, name[:80], "field of the request"))
    if error["type"] == "missing":
        return Refused(422, f"The request has no {name!r}. {expected}")
    where = name + "".join(f"[{place}]" for place in places if isinstance(place, int))
    return Refused(422, f"{where}: {error['msg']}. Received: {error['input']!r:.80}.")


def _unicode(texts, name):
    for number, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused(
                400,
                f"{name}[{number}] is no Unicode text: half of a surrogate pair at character "
                f"{error.start + 1}.",
            ) from error
    return texts


def _from_base64(text, name):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(
            400,
            f"{name} is not base64: {error}. Expected the bytes of a file, without line breaks.",
        ) from error
