"""What languages are called, by their codes of ISO 639, in English and some in others."""

_TABLE = """
af Afrikaans|am Amharic|ar Arabic|as Assamese|az Azerbaijani|ba Bashkir|be Belarusian|bg Bulgarian
bn Bengali|bo Tibetan|br Breton|bs Bosnian|ca Catalan|cs Czech|cy Welsh|da Danish|de German
el Greek|en English|es Spanish|et Estonian|eu Basque|fa Persian|fi Finnish|fo Faroese|fr French
gl Galician|gu Gujarati|ha Hausa|haw Hawaiian|he Hebrew|hi Hindi|hr Croatian|ht Haitian Creole
hu Hungarian|hy Armenian|id Indonesian|is Icelandic|it Italian|ja Japanese|jw Javanese|ka Georgian
kk Kazakh|km Khmer|kn Kannada|ko Korean|la Latin|lb Luxembourgish|ln Lingala|lo Lao|lt Lithuanian
lv Latvian|mg Malagasy|mi Maori|mk Macedonian|ml Malayalam|mn Mongolian|mr Marathi|ms Malay
mt Maltese|my Burmese|ne Nepali|nl Dutch|nn Nynorsk|no Norwegian|oc Occitan|pa Punjabi|pl Polish
ps Pashto|pt Portuguese|ro Romanian|ru Russian|sa Sanskrit|sd Sindhi|si Sinhala|sk Slovak
sl Slovenian|sn Shona|so Somali|sq Albanian|sr Serbian|su Sundanese|sv Swedish|sw Swahili|ta Tamil
te Telugu|tg Tajik|th Thai|tk Turkmen|tl Tagalog|tr Turkish|tt Tatar|uk Ukrainian|ur Urdu
uz Uzbek|vi Vietnamese|yi Yiddish|yo Yoruba|yue Cantonese|zh Chinese
"""
NAMES: dict[str, str] = dict(
    entry.split(" ", 1) for line in _TABLE.strip().splitlines() for entry in line.split("|")
)

# As tables of pairs call them: by themselves, and those most translated by their neighbours.
_OTHERS = """
de deutsch allemand alemán tedesco 德语 德文|en englisch anglais inglés inglese 英语 英文 英語
fr französisch français francés francese 法语 法文|es spanisch espagnol español spagnolo
it italienisch italiano|pt português|nl nederlands|pl polski|cs čeština|ru русский|uk українська
tr türkçe|sv svenska|da dansk|no norsk|fi suomi|hu magyar|ro română|el ελληνικά
zh chinesisch chinois 中文 汉语|ja 日本語 日语 日文|ko 한국어|ar العربية
"""
CODES_OF_NAMES: dict[str, str] = {name.lower(): code for code, name in NAMES.items()} | {
    name: code
    for line in _OTHERS.strip().splitlines()
    for code, *names in (entry.split() for entry in line.split("|"))
    for name in names
}
