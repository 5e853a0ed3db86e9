"""What must not change in a translation, a pattern for each kind."""

import re

CJK = "\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
WORD = rf"[^\W{CJK}]"  # a letter, a digit or _ of a script with spaces
LETTER = rf"[^\W\d_{CJK}]"
FREE = rf"(?<!{WORD})"  # not right after such a one
OVER = rf"(?!{WORD})"  # nor right before

URL_END = rf"\s<>\"“”„«»{CJK}"
DOMAINS = (
    "com|org|net|edu|gov|info|io|dev|app|eu|de|at|ch|fr|be|uk|us|it|es|nl|pl|cz|se|no|dk|fi|ru|cn|tw"
    "|hk|jp|kr|in|br|ca|au|shop|example|tv|me|biz|name|museum|online|site|wiki"
)
ENDINGS = (
    "txt|pdf|docx?|xlsx?|pptx?|od[tsp]|epub|html?|xml|json|ya?ml|toml|ini|cfg|conf|csv|tsv|md|rst"
    "|png|jpe?g|gif|svg|webp|mp[34]|wav|ogg|mkv|avi|zip|tar|gz|bz2|xz|7z|deb|rpm|exe|msi|dll|so|py"
    "|js|ts|css|c|h|cpp|hpp|java|rs|go|sh|bat|log|bak|tmp|iso|img|db|sql|srt|vtt|po|mo|tex|bib"
)
UNITS = (
    "km/h|m/s|km²|cm²|m²|m³|km|cm|mm|µm|nm|m|kg|mg|g|t|ml|cl|l|°C|°F|°|%|‰|kWh|kW|MW|GW|W|kV|mV|V|mA"
    "|GHz|MHz|kHz|Hz|GiB|MiB|KiB|TB|GB|MB|kB|KB|Gbit/s|Mbit/s|dpi|px|pt|ppm|hPa|bar|kcal|kJ|dB"
)
SPACE = "[ \u00a0\u202f]"
GROUPED = r"\d{1,3}(?:[.,'’\u00a0\u202f ]\d{3})+(?!\d)|\d+"
PART = r"(?:[A-Z]*\d[A-Z\d]*|[A-Z]+)"

FORMS_OF_ADDRESS = (
    *("Herr", "Herrn", "Frau", "Familie", "Prof.", "Professor", "Dr.", "Monsieur", "Madame", "M."),
    *("Mme", "Mlle", "Mr.", "Mr", "Mrs.", "Mrs", "Ms.", "Ms"),
)
NO_NAMES = (
    "Dr|Prof|Doc?k?to[ru]|Docteur|Professor|Professeur|Pr[äeé]sident|Dire[ck]t(?:o|eu)r|Minist(?:er|re)"
    "|(?:Bundes)?[Kk]anzler|Richter|Lehrer|Ober|Nachbar|König|Pfarrer|Bürgermeister|Kolleg|Wirt"
    "|Inspe[ck]t(?:o|eu)r|Kommissar|Hauptmann|General|Oberst|Maire|Speaker|Chair|Mayor|Justice|Secretary"
    "|Staatsanwalt|Rechtsanwalt|Abgeordnete|Vorsitzende|Wachtmeister|Doktorand"
)

SOLID = {
    "code": (
        r"```.{0,2000}?```|(?<!`)`[^`\n]+`(?!`)|``[^\n]+?``"
        r"|<(?P<element>code|kbd|samp|var|pre|script|style|math|svg)\b[^<>]*>"
        r".{0,2000}?</(?P=element)\s*>"
        r"|<(?P<kept>\w+)\s[^<>]*\btranslate=[\"']?no\b[^<>]*>.{0,2000}?</(?P=kept)\s*>"
    ),
    "markup": (
        r"<!--.{0,1000}?-->|<!\[CDATA\[.{0,1000}?\]\]>|<[!?][A-Za-z][^<>]*>"
        r"|<\d[\d:.]*>|\{\\[^{}\n]*\}"
        r"|</?[A-Za-z][\w:.-]*(?:\s(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+)?/?>"
    ),
    "entity": r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});",
    "url": (
        rf"(?<!{WORD})(?:[a-zA-Z][a-zA-Z\d+.-]{{1,15}}://|www\.)(?:/wiki/[^\s<>\"]+|[^{URL_END}])+"
        rf"|(?:mailto|tel|doi|urn):[^{URL_END}]+"
    ),
    "mail": (
        rf"(?<!{WORD})(?<![.+%&-])(?:{WORD}|[.+%&-]){{1,64}}+@(?:{WORD}|-){{1,63}}+"
        rf"(?:\.(?:{WORD}|-){{1,63}}+)+"
    ),
    "placeholder": (
        r"\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}|[$%#]\{[^{}\n]+\}|\$\([^()\n]+\)|\{[\w.:!-]*\}"
        rf"|%\([^()\s]+\)[-+#0]*\d*(?:\.\d+)?[a-zA-Z]|{FREE}(?<!\$)\$[A-Za-z_]{WORD}*"
    ),
    "printf": (
        rf"{FREE}(?<!%)%(?:\d{{1,2}}\$)?[-+0#']*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh?|ll?|[Lqjzt])?"
        r"(?:[dsiufgxXc@]|[a-zA-Z](?![a-zA-Z]))"
        rf"|{FREE}(?<!%)%%{OVER}(?!%)|{FREE}(?<!%)%[1-9](?!\d)"
    ),
    "path": (
        rf"{FREE}(?<![/.~])(?:~|\.{{1,2}})?/(?:(?:{WORD}|[.@+-])+/)*(?:{WORD}|[@+-]|\.(?={WORD}))+/?"
        rf"|(?<!{WORD})[A-Za-z]:\\(?:(?:{WORD}|[.@+ -])+\\)*(?:{WORD}|[.@+-])+"
        rf"|{FREE}(?<![.-])(?:{WORD}|-)++(?:\.(?:{WORD}|-)++)*\.(?:{ENDINGS}){OVER}"
    ),
    "domain": rf"{FREE}(?<![.@-])(?:[A-Za-z\d-]+\.)+(?:{DOMAINS}){OVER}(?!-)(?:/[^{URL_END}]*)?",
}

MARKDOWN = {
    "inline": (
        r"!?\[(?=[^\[\]]*\](?:\(|\[))"
        r"|\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+(?:\"[^\"]*\"|'[^']*'))?\)|\]\[[^\[\]]*\]"
        r"|\[\^[^\]\s]+\]|\\[!-/:-@\[-`{-~]|~~"
        rf"|(?<![*\\])\*{{1,3}}(?=[^\s*])|(?<=[^\s*])\*{{1,3}}(?!\*)"
        rf"|{FREE}_{{1,3}}(?=[^\s_])|(?<=[^\s_])_{{1,3}}{OVER}"
    ),
}

LIGHT = {
    "option": rf"{FREE}(?<!-)--[a-z][a-z\d]*(?:-[a-z\d]+)*(?:=[^\s,;]+)?",
    "identifier": (
        rf"{FREE}(?<!\.)[A-Za-z]{WORD}*(?:(?:\.|::|->)[A-Za-z]{WORD}*)*\(\)"
        rf"|{FREE}(?<!\.)[A-Za-z\d]+(?:_[A-Za-z\d]+)+{OVER}"
        rf"|{FREE}(?<!\.)[A-Za-z]{WORD}*(?:\.[A-Za-z]{WORD}+){{2,}}{OVER}"
        rf"|{FREE}(?<!\.)[A-Za-z]{WORD}*(?:::[A-Za-z]{WORD}*)+"
    ),
    "mention": rf"{FREE}(?<![@/.])@{WORD}{{2,}}(?:[.-]{WORD}+)*",
    "hashtag": rf"{FREE}(?<![&/#])#(?=\w*[^\W\d_])\w+",
    "emoji": (
        "(?:[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3"
        "|[\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b55\u231a-\u23ff\u3030\u303d]"
        "[\ufe0f\U0001f3fb-\U0001f3ff]*[\U000e0020-\U000e007f]*"
        "(?:\u200d[\U0001f000-\U0001faff\u2600-\u27bf][\ufe0f\U0001f3fb-\U0001f3ff]*)*)+"
        rf"|{FREE}(?<!:)[:;=][-^']?[)(DPpO*]{OVER}(?!\))|{FREE}<3{OVER}"
    ),
    "date": (
        r"(?<![\d.])\d{4}-\d\d?-\d\d?(?:T\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)"
        r"|(?<![\d./])(?:\d\d?\.\d\d?\.(?:\d{4}|\d\d)|\d\d?/\d\d?/(?:\d{4}|\d\d))(?![\d/]|\.\d)"
    ),
    "phone": (
        rf"{FREE}(?<!\+)\+\d{{1,3}}(?:[ ./()\u00a0-]{{0,2}}\d){{6,14}}(?!\d)"
        rf"|{FREE}(?<!\.)0\d{{2,4}}(?:[ /-]|/ | / )\d{{3,}}(?:[ -]\d+)*{OVER}"
    ),
    "time": (
        r"(?<![\d:.])\d\d?:\d\d(?::\d\d)?(?:[ \u00a0]?[aApP]\.?[mM]\b\.?)?(?![\d:])"
        rf"|(?<![\d:.,])\d\d?[ \u00a0\u202f]?h[ \u00a0\u202f]?[0-5]\d{OVER}"
        r"|(?<![\d:.,])[0-2]?\d\.[0-5]\d(?=[ \u00a0]Uhr)"
    ),
    "version": (
        rf"{FREE}(?<![.,])v?\d+(?:\.\d+){{2,}}(?:[-+.~]?(?:{LETTER}|\d)+)*{OVER}"
        rf"|{FREE}v\d+(?:\.\d+)*{OVER}|{FREE}(?<!\.)\d+(?:\.\d+)*\.[xX*]{OVER}"
    ),
    "serial": (
        rf"{FREE}(?<![.-])(?=[A-Z-]*\d)(?=[\d-]*[A-Z]|\d+-\d+-|\d{{4,}}-\d{{4,}}){PART}"
        rf"(?:[-:]{PART})*{OVER}(?!-)|\$?[A-Z]{{0,3}}\$\d+:\$?[A-Z]{{0,3}}\$\d+{OVER}"
    ),
    "number": (
        rf"(?<!{WORD})(?<!\d[.,])(?>(?:(?<![^\s(\[{{{CJK}])[+−±-])?(?:(?:US|A|C)?[$€£¥]{SPACE}?)?"
        rf"(?:{GROUPED})(?:[.,]\d+)?(?:[eE][+-]?\d+|/\d+(?![\d/]))?"
        rf"(?:{SPACE}?(?:{UNITS})(?![^\W\d_])|{SPACE}?[€$£¥](?!\d))?)(?!{WORD})(?![万亿億萬千百兆月])"
    ),
    "name": (
        "(?:" + "|".join(rf"(?<=\b{re.escape(form)} )" for form in FORMS_OF_ADDRESS) + ")"
        rf"(?!(?:{NO_NAMES}){LETTER}*)"
        r"(?:(?:von|van|zu|de|del|della|di|da|du) (?:(?:der|den|dem|la) )?)?"
        rf"(?=[^\W\d_a-zß-öø-ÿ]['’]?{LETTER}){LETTER}+(?:[-'’](?!s{OVER}){LETTER}+)*{OVER}"
    ),
}
