"""What sentences of a language look like around a full stop."""

from dataclasses import dataclass


def words(text: str) -> frozenset[str]:
    """The words of a text, in small letters."""
    return frozenset(text.casefold().split())


@dataclass(frozen=True)
class Language:
    """How a full stop is read. Words are in small letters and without their last full stop.

    Attributes:
        never: abbreviations that never end a sentence: titles, "e.g".
        before_digit: abbreviations before a number, and words of their own elsewhere: "No. 5".
        seldom: abbreviations that end a sentence where a word of `starters` follows: "Inc".
        often: abbreviations that end a sentence before any capital: "etc".
        starters: words that begin sentences.
        ordinals: bool, "3." is how an ordinal is written.
        ordinal_before: what stands before an ordinal: articles, "am".
        ordinal_after: what stands after an ordinal: months, "Jahrhundert".
    """

    never: frozenset[str] = frozenset()
    before_digit: frozenset[str] = frozenset()
    seldom: frozenset[str] = frozenset()
    often: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    ordinals: bool = False
    ordinal_before: frozenset[str] = frozenset()
    ordinal_after: frozenset[str] = frozenset()


GERMAN = Language(
    never=words(
        "dr prof hr fr frl dipl ing med phil jur rer nat mag st sr jr bzw ca vgl evtl ggf inkl "
        "exkl zzgl einschl gem lt fa bes insb mind max min etw od resp sog geb gest verh hl "
        "kath evang tel ff zb z.b d.h u.a i.d.r o.ä u.ä s.o s.u m.e z.t v.a z.zt b.a m.a allg "
        "betr bspw mrd mio dt engl franz lat griech urspr gegr zus verw abk anm hrsg hg übers "
        "aufl ausg"
    ),
    before_digit=words("nr nrn s abs abb art kap bd bde tab ziff § zi anl bl sp z st"),
    seldom=words("str usf co corp inc ltd jh jhd jhdt chr n.chr v.chr abt u.s d.c"),
    often=words("usw etc u.s.w u.dgl dgl u.v.m o.g"),
    starters=words(
        "er sie es wir ich du ihr man das die der dies diese dieser dieses dann danach daher "
        "deshalb dort da hier heute gestern morgen jetzt aber und oder doch bitte wenn weil als "
        "wie was wer wo warum nach vor bei mit ohne für auf im in am an zum zur von vom seit "
        "bis ein eine einer kein keine nein ja alle alles viele auch nur noch so sein seine "
        "ihre mein meine unser unsere jeder jede jedes manche siehe näheres außerdem trotzdem "
        "nun nicht nie immer"
    ),
    ordinals=True,
    ordinal_before=words(
        "am im vom zum beim zur ab seit bis der die das dem den des ein eine einen einem einer "
        "eines und jeder jede jedes jeden jedem mein meine sein seine ihr ihre unser unsere "
        "zweite mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag "
        "sonntag sonnabend"
    ),
    ordinal_after=words(
        "januar jänner februar feber märz april mai juni juli august september oktober november "
        "dezember jan feb mär apr jun jul aug sep sept okt nov dez jahrhundert jahrhunderts "
        "jahrhunderte jh jahrtausend klasse platz stock etage stockwerk lebensjahr weltkrieg "
        "advent geburtstag auflage liga bundesliga spieltag semester quartal kapitel grad "
        "minute tag woche monat jahr jahrestag mal runde bezirk fc sc tsv sv obergeschoss og ug"
    ),
)

ENGLISH = Language(
    never=words(
        "mr mrs ms dr prof rev hon gen col maj capt lt sgt cpl sen rep gov pres supt messrs mx "
        "mt ft st vs cf viz approx aka al e.g i.e eg ie ca dept est esp assn univ ave blvd rd"
    ),
    before_digit=words(
        "no nos fig figs p pp vol vols ch chap sec sect art eq nr v pt par col ref refs tab max "
        "min jan feb mar apr jun jul aug sep sept oct nov dec"
    ),
    seldom=words(
        "inc ltd co corp bros jr sr llc plc u.s u.k u.n e.u u.s.a d.c a.m p.m am pm ph.d m.d "
        "b.a m.a b.c a.d b.sc m.sc st ave rd"
    ),
    often=words("etc"),
    starters=words(
        "he she it we they i you the a an this that these those there then but and so in on at "
        "if when what why how who where which my your our his her its their please no yes maybe "
        "after before from for with without as to of by not nobody everyone some many all most "
        "each both however therefore meanwhile today yesterday tomorrow now here let don't is "
        "are was do does"
    ),
)

FRENCH = Language(
    never=words(
        "m mm mr mme mmes mlle mlles dr drs pr me mgr ste st sts env ex p.ex c.-à-d c.à.d cf vs "
        "av al apr bd boul éd hab ill trad adj masc fém préc suiv tél"
    ),
    before_digit=words("n no nos p pp art chap fig vol t réf par al éq sect"),
    seldom=words("inc cie co s.a s.a.r.l jr j.-c av.j.-c"),
    often=words("etc"),
    starters=words(
        "il elle ils elles on nous vous je j' tu le la les l' un une des ce c' cet cette ces ça "
        "cela et mais ou donc or ni car puis ensuite alors après avant dans en à au aux de du "
        "d' par pour sur sous avec sans si quand que qu' qui où comment pourquoi mon ma mes ton "
        "ta tes son sa ses notre votre leur leurs ne n' non oui hier demain ici là tout tous "
        "toutes voir voici merci"
    ),
)

CHINESE = Language(never=ENGLISH.never, before_digit=ENGLISH.before_digit, often=ENGLISH.often)

GENERAL = Language(
    never=words(
        "dr prof mr mrs ms st sr sra srta dra dott sig ing arq lic mme mlle hr fr e.g i.e vs cf "
        "ca z.b d.h p.ex p.ej av"
    ),
    before_digit=words("no nr nos fig p pp art vol cap núm num pág abs"),
    seldom=ENGLISH.seldom,
    often=words("etc usw"),
    starters=GERMAN.starters | ENGLISH.starters | FRENCH.starters,
)

LANGUAGES = {"de": GERMAN, "en": ENGLISH, "fr": FRENCH, "zh": CHINESE}


def language_of(code: str | None) -> Language:
    """The rules of a language such as "de", "de-CH" or "zh_TW"; general ones of any other."""
    return LANGUAGES.get((code or "").casefold().replace("_", "-").split("-")[0], GENERAL)
