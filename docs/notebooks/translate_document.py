# %% [markdown]
# # Translate a document
#
# A letter goes in, a letter comes out: with its layout, its numbers and its addresses. All of it runs on a laptop, with a
# checkpoint that is inside the package.

# %%
import s2s_zoo

translate = s2s_zoo.from_pretrained("translation-de-en")
translate

# %% [markdown]
# ## A text of several sentences
#
# It is parted into sentences, each is translated once, and they are put together again. Line breaks and bullets stay.

# %%
letter = """Guten Morgen!

Ein Mann steht vor dem Haus. Zwei Kinder spielen im Garten:

- Das Mädchen trägt ein rotes Kleid.
- Der Junge hat 2 Bälle.

Ich habe keine Zeit.
"""
result = translate(letter, num_beams=5, return_scores=True)
print(result.text)

# %% [markdown]
# ## Which sentence should be looked at twice?
#
# Every sentence is a result of its own. `score_per_token` is the mean log-probability of a token: the lower, the less sure
# the model was. `warning` says where something was lost, or the model was.

# %%
for segment in sorted(result.segments, key=lambda found: found.score_per_token):
    print(f"{segment.score_per_token:6.2f}  {segment.text.strip()}  {segment.warning or ''}")

# %% [markdown]
# ## What it looked at
#
# A row is a token that was written, a column one of the source.

# %%
translate("Zwei Kinder spielen im Garten.", num_beams=5, return_alignment=True)

# %% [markdown]
# ## Words of your own
#
# `keep` has what must come through as it is, `terms` translations that you want.

# %%
translate("Ich wohne in Gelsenkirchen.", keep=["Gelsenkirchen"], num_beams=5)

# %% [markdown]
# ## A file
#
# The ending says the format: Markdown, HTML, subtitles, .docx, .odt, .epub, PO, XLIFF, JSON, .properties. What is no text is
# the same to the byte.

# %%
from pathlib import Path

from s2s_zoo.pipeline.files import translate_file

Path("page.html").write_text(
    '<h1 class="big">Guten Morgen!</h1>\n<p>Das <b>Fahrrad</b> kostet 150 Euro.</p>\n',
    encoding="utf-8",
)
translate_file(translate, "page.html", "page.en.html")
print(Path("page.en.html").read_text(encoding="utf-8"))
