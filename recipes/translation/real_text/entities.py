"""Names, numbers, dates and addresses drawn at random, each as four languages write it."""

import datetime
import functools
import random
import string

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from faker import Faker
from pypinyin import Style, pinyin

LANGUAGES = ("en", "de", "fr", "zh")
LATIN_NAMES = (
    *(
        "de_DE",
        "de_AT",
        "fr_FR",
        "fr_CA",
        "en_US",
        "en_GB",
        "it_IT",
        "es_ES",
        "pl_PL",
        "tr_TR",
    ),
    *("nl_NL", "pt_PT", "sv_SE", "hr_HR", "cs_CZ"),
)
LATIN_TOWNS = ("de_DE", "de_AT", "fr_FR", "it_IT", "es_ES", "pl_PL", "nl_NL")
WITH_ARTICLE = (
    "CH",
    "TR",
    "US",
    "NL",
    "SK",
    "UA",
    "MN",
    "VA",
    "CZ",
    "PH",
    "AE",
    "IQ",
    "IR",
    "SD",
)
CHINESE_TOWNS = {
    "香港": "Hong Kong",
    "澳门": "Macao",
    "哈尔滨": "Harbin",
    "西安": "Xi'an",
}
CHINESE_TOWNS |= {
    "呼和浩特": "Hohhot",
    "乌鲁木齐": "Urumqi",
    "拉萨": "Lhasa",
    "台北": "Taipei",
}
TRANSLITERATED = dict(
    pair.split("=")
    for pair in (
        "汤姆=Tom 玛丽=Mary 约翰=John 大卫=David 彼得=Peter 保罗=Paul 安娜=Anna 玛丽亚=Maria "
        "迈克尔=Michael 杰克=Jack 艾米丽=Emily 露西=Lucy 莉莉=Lily 鲍勃=Bob 吉姆=Jim 简=Jane "
        "爱丽丝=Alice 詹姆斯=James 罗伯特=Robert 威廉=William 理查德=Richard 托马斯=Thomas "
        "查尔斯=Charles 丹尼尔=Daniel 马克=Mark 史蒂夫=Steve 安德鲁=Andrew 凯文=Kevin "
        "布莱恩=Brian 乔治=George 爱德华=Edward 亨利=Henry 弗兰克=Frank 马丁=Martin "
        "亚当=Adam 本=Ben 山姆=Sam 麦克斯=Max 菲利普=Philip 西蒙=Simon 奥利弗=Oliver "
        "苏珊=Susan 丽莎=Lisa 南希=Nancy 凯伦=Karen 贝蒂=Betty 海伦=Helen 桑德拉=Sandra "
        "劳拉=Laura 萨拉=Sarah 珍妮=Jenny 朱莉=Julie 艾玛=Emma 索菲=Sophie 索菲亚=Sophia "
        "克拉拉=Clara 伊丽莎白=Elizabeth 凯瑟琳=Catherine 黛安娜=Diana 夏洛特=Charlotte "
        "维多利亚=Victoria 瑞秋=Rachel 丽贝卡=Rebecca 汉斯=Hans 卡尔=Karl 弗里茨=Fritz "
        "皮埃尔=Pierre 路易=Louis 胡安=Juan 卡洛斯=Carlos 何塞=José 伊万=Ivan 尼古拉=Nikolai "
        "阿里=Ali 穆罕默德=Mohammed 史密斯=Smith 布朗=Brown 琼斯=Jones 威尔逊=Wilson "
        "泰勒=Taylor 米勒=Miller 约翰逊=Johnson 杰克逊=Jackson 怀特=White 格林=Green "
        "爱因斯坦=Einstein 莎士比亚=Shakespeare 贝多芬=Beethoven 莫扎特=Mozart 巴赫=Bach "
        "歌德=Goethe 林肯=Lincoln 华盛顿=Washington 拿破仑=Napoleon 牛顿=Newton "
        "达尔文=Darwin 毕加索=Picasso"
    ).split()
)
CHINESE_COMPANIES = {
    "谷歌": "Google",
    "微软": "Microsoft",
    "苹果公司": "Apple",
    "华为": "Huawei",
}
CHINESE_COMPANIES |= {
    "阿里巴巴": "Alibaba",
    "腾讯": "Tencent",
    "百度": "Baidu",
    "西门子": "Siemens",
}
CHINESE_COMPANIES |= {
    "大众汽车": "Volkswagen",
    "丰田": "Toyota",
    "索尼": "Sony",
    "三星": "Samsung",
}
CHINESE_COMPANIES |= {
    "宝马": "BMW",
    "亚马逊": "Amazon",
    "联合国": "United Nations",
    "雀巢": "Nestlé",
}
CURRENCIES = (
    # Code or sign in front or behind, then the name in each language.
    ("€", "euros", "Euro", "euros", "欧元"),
    ("$", "dollars", "Dollar", "dollars", "美元"),
    ("£", "pounds", "Pfund", "livres", "英镑"),
    ("CHF", "Swiss francs", "Schweizer Franken", "francs suisses", "瑞士法郎"),
    ("¥", "yuan", "Yuan", "yuans", "元"),
)
UNITS = (
    *(
        ("km", "公里"),
        ("m", "米"),
        ("cm", "厘米"),
        ("kg", "公斤"),
        ("g", "克"),
        ("MB", "MB"),
    ),
    *(
        ("GB", "GB"),
        ("l", "升"),
        ("ml", "毫升"),
        ("mm", "毫米"),
        ("kB", "kB"),
        ("ms", "毫秒"),
    ),
)
SPELLED_UNITS = (
    ("kilometres", "Kilometer", "kilomètres", "公里"),
    ("metres", "Meter", "mètres", "米"),
    ("kilos", "Kilo", "kilos", "公斤"),
    ("litres", "Liter", "litres", "升"),
    ("grams", "Gramm", "grammes", "克"),
    ("miles", "Meilen", "miles", "英里"),
)
WORDS = "alpha beta demo test data server mail news shop info web cloud photo report main".split()
ENDINGS = "txt pdf docx odt png jpg csv xml html py conf json zip tar.gz deb log".split()
DOMAINS = "com org net de fr eu co.uk io info at ch cn edu".split()
EMOJI = "😀 😂 😊 👍 🎉 ❤️ 😢 🚀 🌞 🎂 🙏 😅 🔥 ✅ ⚠️ 🐱 ☕ 📅 💡 🇩🇪".split()
PLACEHOLDERS = "name count user file path value title number date size host id url item".split()


def same(text):
    return dict.fromkeys(LANGUAGES, text)


@functools.cache
def _faker(locale):
    return Faker(locale)


def _romanised(text):
    return "".join(syllable[0] for syllable in pinyin(text, style=Style.NORMAL)).capitalize()


def _zone_cities():
    """Cities of the Unicode CLDR that have a name of their own in every language."""
    zones = {name: Locale.parse(name).time_zones for name in LANGUAGES}
    rows = []
    for zone in zones["zh"]:
        city = {name: (zones[name].get(zone) or {}).get("city") for name in LANGUAGES}
        default = zone.split("/")[-1].replace("_", " ")
        city = {name: given or default for name, given in city.items()}
        if not city["zh"].isascii() and len(default) > 2:
            rows.append(city)
    return rows


class Entities:
    """Draws what fills the slots of a template.

    Args:
        seed: int.
        chinese: bool, whether one side is Chinese, whose names have to have a Chinese form.
    """

    def __init__(self, seed, chinese=False):
        self.random = random.Random(seed)
        self.chinese = chinese
        self.locales = {name: Locale.parse(name) for name in LANGUAGES}
        self.cities = _zone_cities()
        codes = [
            code
            for code in self.locales["en"].territories
            if len(code) == 2 and code.isalpha() and code not in (*WITH_ARTICLE, "EU", "UN", "ZZ")
        ]
        self.countries = [self._names("territories", code) for code in codes]
        self.languages = [
            self._names("languages", code)
            for code in self.locales["en"].languages
            if len(code) == 2 and all(code in self.locales[name].languages for name in LANGUAGES)
        ]
        for locale in (*LATIN_NAMES, "zh_CN"):
            _faker(locale).seed_instance(seed)

    def _names(self, table, code):
        return {
            name: getattr(self.locales[name], table).get(code, code).split(" (")[0]
            for name in LANGUAGES
        }

    def draw(self, slot):
        """Returns a dict of language to text for a slot such as "price"."""
        return getattr(self, f"_{slot}")()

    # Names.

    def locale(self, among=LATIN_NAMES):
        return _faker(self.random.choice(among))

    def _first(self):
        if self.chinese and self.random.random() < 0.7:
            name = self.random.choice(list(TRANSLITERATED))
            return {**same(TRANSLITERATED[name]), "zh": name}
        return same(self.locale().first_name())

    def _last(self):
        if self.chinese:
            surname = _faker("zh_CN").last_name()
            return {**same(_romanised(surname)), "zh": surname}
        names = [self.locale().last_name() for _ in range(2)]
        return same("-".join(names) if self.random.random() < 0.15 else names[0])

    def _person(self):
        if self.chinese:
            if self.random.random() < 0.3:
                return same(f"{self.locale().first_name()} {self.locale().last_name()}")
            surname, given = _faker("zh_CN").last_name(), _faker("zh_CN").first_name()
            return {
                **same(f"{_romanised(surname)} {_romanised(given)}"),
                "zh": surname + given,
            }
        locale = self.locale()
        return same(f"{locale.first_name()} {self._last()['en']}")

    def _titled(self, titles):
        last = self._last()
        return {name: titles[name].format(last[name]) for name in LANGUAGES}

    def _mr(self):
        titles = {"en": "Mr {}", "de": "Herr {}", "fr": "M. {}", "zh": "{}先生"}
        if self.random.random() < 0.5:
            titles |= {"en": "Mr. {}", "fr": "Monsieur {}"}
        return self._titled(titles)

    def _mrs(self):
        titles = {"en": "Ms {}", "de": "Frau {}", "fr": "Mme {}", "zh": "{}女士"}
        if self.random.random() < 0.5:
            titles |= {"en": "Mrs. {}", "fr": "Madame {}"}
        return self._titled(titles)

    def _city(self):
        if self.chinese and self.random.random() < 0.4:
            town = _faker("zh_CN").city_name()
            return {**same(CHINESE_TOWNS.get(town, _romanised(town))), "zh": town}
        if self.chinese or self.random.random() < 0.4:
            return self.random.choice(self.cities)
        return same(self.locale(LATIN_TOWNS).city())

    def _country(self):
        return self.random.choice(self.countries)

    def _language(self):
        return self.random.choice(self.languages)

    def _company(self):
        if self.chinese and self.random.random() < 0.5:
            name = self.random.choice(list(CHINESE_COMPANIES))
            return {**same(CHINESE_COMPANIES[name]), "zh": name}
        if self.random.random() < 0.4:  # as programs and brands are called
            parts = self.random.sample(WORDS, 2)
            return same("".join(part.capitalize() for part in parts))
        return same(self.locale().company())

    def _street(self):
        if self.chinese:
            name = _faker("zh_CN").street_name()[:-1]
            number = self.random.randint(1, 250)
            return {
                **same(f"{_romanised(name)} Road {number}"),
                "zh": f"{name}路{number}号",
            }
        name = self.locale(("de_DE", "fr_FR", "it_IT", "es_ES")).street_name()
        return same(f"{name} {self.random.randint(1, 250)}")

    # Numbers.

    def _number(self, value, places=0, grouped=True):
        pattern = f"{'#,##' if grouped else ''}0{'.' + '0' * places if places else ''}"
        forms = {name: format_decimal(value, pattern, locale=name) for name in LANGUAGES}
        if self.random.random() < 0.5:  # the space that people type
            forms["fr"] = forms["fr"].replace("\u202f", " ")
        return forms

    def _size(self):
        return self.random.randint(1, 10 ** self.random.randint(1, 7))

    def _integer(self):
        return self._number(self._size() + 11, grouped=self.random.random() < 0.6)

    def _small(self):
        return same(str(self.random.randint(2, 99)))

    def _decimal(self):
        places = self.random.randint(1, 3)
        sign = -1 if self.random.random() < 0.15 else 1
        return self._number(sign * self._size() / 10 ** self.random.randint(1, 3), places)

    def _percent(self):
        forms = self._number(self.random.randint(1, 1000) / 10, self.random.randint(0, 1))
        space = self.random.choice((" ", "", "\u00a0"))
        return {
            name: form + (space if name in ("de", "fr") else "") + "%"
            for name, form in forms.items()
        }

    def _price(self):
        sign, *names = self.random.choice(CURRENCIES)
        places = self.random.choice((0, 2))
        forms = self._number(self._size() / 10**places, places, self.random.random() < 0.7)
        words = dict(zip(LANGUAGES, names, strict=True))
        if sign in "€$£" and self.random.random() < 0.5:
            front = self.random.random() < 0.7
            return {
                "en": sign + forms["en"] if front else f"{forms['en']} {sign}",
                "de": f"{forms['de']} {sign}",
                "fr": f"{forms['fr']} {sign}",
                "zh": sign + forms["zh"],
            }
        space = {"zh": ""}
        return {name: forms[name] + space.get(name, " ") + words[name] for name in LANGUAGES}

    def _measure(self):
        forms = self._number(self._size() / 10, self.random.randint(0, 1))
        if self.random.random() < 0.4:
            words = dict(zip(LANGUAGES, self.random.choice(SPELLED_UNITS), strict=True))
            return {
                name: forms[name] + ("" if name == "zh" else " ") + words[name]
                for name in LANGUAGES
            }
        unit, chinese = self.random.choice(UNITS)
        texts = {name: f"{forms[name]} {unit}" for name in LANGUAGES}
        return texts | {"zh": forms["zh"] + chinese}

    def _temperature(self):
        value = self.random.randint(-30, 240)
        if self.random.random() < 0.5:
            return same(f"{value} °C") | {"zh": f"{value}°C"}
        return {
            "en": f"{value} degrees",
            "de": f"{value} Grad",
            "fr": f"{value} degrés",
        } | {"zh": f"{value}度"}

    # Times.

    def _day(self):
        return datetime.date(1900, 1, 1) + datetime.timedelta(self.random.randint(0, 50000))

    def _date(self):
        day = self._day()
        form = self.random.random()
        if form < 0.6:
            texts = {name: format_date(day, "long", locale=name) for name in LANGUAGES}
            if self.random.random() < 0.4:
                texts["en"] = format_date(day, "d MMMM y", locale="en")
            return texts
        if form < 0.75:
            texts = {name: format_date(day, "d MMMM", locale=name) for name in ("en", "fr")}
            texts |= {"de": format_date(day, "d. MMMM", locale="de")}
            return texts | {"zh": format_date(day, "M月d日", locale="zh")}
        if form < 0.85:
            return same(day.isoformat())
        pattern = self.random.choice(("dd.MM.y", "d.M.yy", "dd/MM/y"))
        return same(format_date(day, pattern, locale="de"))

    def _year(self):
        return same(str(self.random.randint(1400, 2060)))

    def _month(self):
        number = self.random.randint(1, 12)
        texts = {name: self.locales[name].months["format"]["wide"][number] for name in LANGUAGES}
        return texts | {"zh": f"{number}月"}

    def _weekday(self):
        number = self.random.randrange(7)
        return {name: self.locales[name].days["format"]["wide"][number] for name in LANGUAGES}

    def _time(self):
        hour, minute = (
            self.random.randrange(24),
            self.random.choice((0, 15, 30, 45, 5, 20, 50)),
        )
        digits = f"{hour}:{minute:02}"
        if self.random.random() < 0.4:
            half = "a.m." if hour < 12 else "p.m."
            texts = {
                "en": f"{(hour - 1) % 12 + 1}:{minute:02} {half}",
                "de": f"{digits} Uhr",
            }
        else:
            texts = {"en": digits, "de": digits + self.random.choice((" Uhr", ""))}
        french = f"{hour} h {minute:02}" if self.random.random() < 0.5 else f"{hour}h{minute:02}"
        chinese = f"{hour}点{f'{minute}分' if minute else ''}"
        return texts | {
            "fr": french,
            "zh": chinese if self.random.random() < 0.5 else digits,
        }

    # What no language changes.

    def _word(self):
        if self.random.random() < 0.5:
            return self.random.choice(WORDS)
        letters = self.random.choices(string.ascii_lowercase, k=self.random.randint(3, 8))
        return "".join(letters)

    def _domain(self):
        return f"{self._word()}.{self.random.choice(DOMAINS)}"

    def _email(self):
        local = self._word() + self.random.choice((".", "_", "")) + self._word()
        return same(f"{local}@{self._domain()}")

    def _url(self):
        start = self.random.choice(("https://www.", "http://", "https://", "www."))
        path = "".join(f"/{self._word()}" for _ in range(self.random.randint(0, 3)))
        query = f"?{self._word()}={self._size()}" if path and self.random.random() < 0.3 else ""
        return same(start + self._domain() + path + query)

    def _phone(self):
        groups = [str(self.random.randint(10, 9999)) for _ in range(self.random.randint(2, 4))]
        start = self.random.choice(("+49 ", "0", "+33 ", "+86 ", "(0)", "+1-"))
        return same(start + self.random.choice((" ", "-", "/")).join(groups))

    def _code(self):
        letters = "".join(self.random.choices(string.ascii_uppercase, k=self.random.randint(2, 3)))
        kinds = (
            f"{letters}-{self._size()}",
            f"{letters}{self.random.randint(10, 9999)}",
            f"--{self._word()}",
            f"{self._word()}_{self._word()}()",
            f"`{self._word()} -{self.random.choice('abcdlrv')}`",
            f"{self._word()}-{self._word()}",
            f"<{self._word()}>",
        )
        return same(self.random.choice(kinds))

    def _file(self):
        name = f"{self._word()}{self.random.choice(('', '_', '-'))}{self._word()}"
        folder = self.random.choice(("", "", "/etc/", "/usr/share/", "C:\\Users\\", "~/", "./"))
        return same(f"{folder}{name}.{self.random.choice(ENDINGS)}")

    def _version(self):
        return same(".".join(str(self.random.randint(0, 30)) for _ in range(3)))

    def _placeholder(self):
        name = self.random.choice(PLACEHOLDERS)
        forms = (
            f"{{{name}}}",
            "%s",
            "%d",
            f"%({name})s",
            "{}",
            f"${{{name}}}",
            f"{{{{{name}}}}}",
        )
        return same(self.random.choice(forms))

    def _handle(self):
        return same(f"@{self._word()}{self.random.choice(('', '_', '99'))}")

    def _hashtag(self):
        return same(f"#{self._word().capitalize()}{self._word().capitalize()}")

    def _emoji(self):
        return same(self.random.choice(EMOJI))

    def _postcode(self):
        return same(f"{self.random.randint(1000, 99999):05}")
