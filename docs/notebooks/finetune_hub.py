# %% [markdown]
# # Fine-tune a Hub checkpoint
#
# A Transformer that others published is adapted to the language of one trade, with LoRA: two thin matrices beside each
# attention learn, everything else stays. It needs neither torch nor transformers.

# %%
import math
import os

from s2s_zoo.callbacks import GenerationMetrics
from s2s_zoo.losses import SmoothedCrossEntropy

import s2s_zoo

# Any Marian, mBART, M2M-100, NLLB, T5 or BART: hf:// downloads once, a directory is read as it is.
checkpoint = os.environ.get("CHECKPOINT", "hf://Helsinki-NLP/opus-mt-de-en")
translate = s2s_zoo.from_pretrained(checkpoint)
translate

# %% [markdown]
# ## The pairs
#
# Take yours: a CSV, a list, a frame of pandas, a data set of `datasets`. Here are sentences of a workshop.

# %%
pairs = [
    ("Der Rotor läuft unrund.", "The rotor runs out of true."),
    ("Die Welle hat Spiel.", "The shaft has play."),
    ("Das Lager ist trocken.", "The bearing is dry."),
    ("Die Schraube sitzt fest.", "The screw is stuck."),
] * 8
held_out = pairs[:4]

# %% [markdown]
# ## Before

# %%
sentences = [source for source, _ in held_out]
translate(sentences, max_length=24)

# %% [markdown]
# ## Train
#
# `enable_lora` comes before `compile`. The rate is ten times that of a training of all weights.

# %%
s2s_zoo.enable_lora(translate.model, rank=8)
trained = sum(math.prod(weight.shape) for weight in translate.model.trainable_weights)
print(f"{trained:,} of {translate.model.count_params():,} parameters learn")

translate.model.compile("adam", SmoothedCrossEntropy(label_smoothing=0.1))
translate.model.optimizer.learning_rate = 1e-3
scores = GenerationMetrics(translate, held_out, max_length=24)
history = translate.model.fit(
    translate.batches(pairs, batch_tokens=512, shuffle=True),
    epochs=2,
    callbacks=[scores],
    verbose=2,
)

# %% [markdown]
# ## After

# %%
translate(sentences, max_length=24)

# %% [markdown]
# ## Keep it
#
# What is saved holds the sums of old and new matrices: a checkpoint like any other, which `s2s-zoo translate --model` and
# `s2s-zoo serve --model` take.

# %%
translate.save("my-opus")
s2s_zoo.from_pretrained("my-opus")(sentences[:1], max_length=24)
