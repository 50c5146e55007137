"""Which things are of one kind, what rules out what, and which words belong to which line of work.

"I am vegan" and "my steak each evening" share no word, and vectors only say that both are about
food. They exclude each other because steak is meat and vegans eat none. That takes knowledge of a
few hundred everyday words, which is collected here: what people in personas eat, keep, play, fear,
ride and work as. A missing word means a missed fault.
"""

import re
from functools import lru_cache

_KINDS = {
    "meat": "steak beef pork chicken ham bacon sausage burger lamb mutton turkey duck veal ribs "
    "salami kebab chorizo meatball venison goose liver brisket schnitzel prosciutto",
    "fish": "salmon tuna cod herring trout sushi seafood shrimp prawn oyster crab lobster anchovy "
    "mackerel sardine squid mussel",
    "dairy": "milk cheese butter cream yoghurt yogurt latte cappuccino milkshake custard "
    "cheddar mozzarella brie gruyère parmesan",
    "lactose": "milk cream milkshake latte",
    "egg": "omelette omelet",
    "gluten": "wheat rye barley bread pasta spaghetti baguette croissant pizza beer noodle toast",
    "alcohol": "beer wine whisky whiskey vodka stout rum gin tequila mezcal ale sake ouzo cider "
    "champagne cocktail pint lager booze "
    "tequila mezcal brandy schnapps prosecco sherry drunk hangover",
    "coffee": "espresso latte cappuccino",
    "sugar": "cake chocolate candy sweet biscuit cookie donut doughnut lollipop",
    "nut": "peanut almond hazelnut walnut cashew pistachio",
    "bird": "parrot budgie canary pigeon chicken hen duck goose parakeet cockatoo finch owl",
    "spider": "tarantula",
    "snake": "adder viper rattlesnake mamba python boa cobra",
    "cat": "kitten tomcat kitty",
    "dog": "puppy poodle terrier labrador spaniel collie dachshund beagle pup greyhound hound",
    "horse": "pony mare stallion foal",
    "pet": "dog cat parrot rabbit hamster goldfish tarantula tortoise budgie puppy kitten terrier "
    "poodle labrador spaniel canary ferret snake python",
    "animal": "dog cat parrot rabbit horse cow goat sheep pet puppy kitten bird",
    "heights": "climb climber cliff ladder rooftop abseil skydive skydiver paraglide bungee "
    "parachute tower scaffold",
    "sea": "ocean surf sail ferry snorkel beach",
    "water": "swim swimmer surf sail dive diver snorkel kayak",
    "swim": "swimmer surf snorkel dive diver",
    "boat": "sail sailor yacht canoe kayak ferry dinghy ship barge sailing rowboat",
    "fly": "plane flight airplane aeroplane pilot helicopter",
    "flying": "fly flew flown plane flight airplane aeroplane pilot helicopter",
    "plane": "pilot flight fly flew flown flying jet",
    "instrument": "tuba trombone piano violin cello guitar flute trumpet organ accordion drum "
    "drums clarinet saxophone banjo harp oboe ukulele fiddle harmonica viola bass bagpipes",
    "music": "tuba trombone piano violin cello guitar flute trumpet organ choir song opera jazz "
    "concert band orchestra karaoke",
    "shellfish": "shrimp prawn crab lobster oyster mussel clam scallop crayfish langoustine",
    "seafood": "shrimp prawn crab lobster oyster mussel clam scallop salmon tuna squid",
    "bicycle": "cycle bike cyclist cycling",
    "bike": "cycle bicycle cyclist cycling",
    "university": "doctorate phd professor degree thesis uni master bachelor",
    "hearing": "hear ears ear",
    "football": "soccer",
    "clay": "pottery potter",
    "pottery": "clay pot potter ceramics",
    "licence": "truck taxi lorry",
    "license": "truck taxi lorry",
    "speaking": "keynote speech lecture presentation toast",
    "sport": "football rugby tennis hockey handball cricket basketball volleyball marathon boxing "
    "judo rowing swimming skiing badminton golf baseball athletics gymnastics",
    "sports": "football rugby tennis hockey handball cricket basketball volleyball marathon boxing "
    "judo rowing swimming skiing badminton golf baseball athletics gymnastics",
    "run": "marathon sprint jog jogger jogging runner",
    "walk": "hike hiker stroll trek",
    "drive": "driver driving",
    "car": "suv ferrari toyota volvo jeep audi bmw",
    "cook": "cooking cooked",
    "paint": "painter painting",
    "dance": "dancer salsa tango ballet waltz disco dancing",
    "smoke": "cigarette cigar pipe smoker tobacco smoking vape",
    "gamble": "casino poker roulette lottery",
    "read": "novel reader bookworm",
    "book": "novel",
    "school": "degree doctorate phd university college diploma master thesis graduate bachelor "
    "graduated",
    "degree": "doctorate phd",
    "religion": "church mosque temple pray prayer",
    "church": "priest pastor",
    "clown": "circus",
    "crowd": "concert festival stadium",
    "computer": "laptop",
    "internet": "online",
    "garden": "gardening gardener",
    "sleep": "asleep",
    "child": "son daughter kid toddler baby",
    "children": "son daughter kid kids toddler baby sons daughters",
    "kid": "son daughter child children baby",
    "dentist": "dental",
    "blood": "needle injection",
    "needle": "injection syringe vaccine jab",
    "dark": "cave",
    "money": "rich wealthy",
    "game": "chess poker bridge backgammon",
    "math": "algebra calculus maths",
    "maths": "algebra calculus",
}
"""By a wider word, the narrower ones."""

_RULED_OUT = {
    "vegan": "meat fish dairy egg honey",
    "vegetarian": "meat fish",
    "pescatarian": "meat",
    "coeliac": "gluten",
    "celiac": "gluten",
    "gluten-free": "gluten",
    "teetotal": "alcohol",
    "teetotaller": "alcohol",
    "sober": "alcohol",
    "atheist": "church pray prayer",
    "illiterate": "read book novel write",
    "dyslexic": "",
    "blind": "see read watch drive",
    "deaf": "hear listen",
    "mute": "speak sing",
    "wheelchair": "walk run dance climb hike jump stairs",
    "homeless": "house apartment flat",
    "unemployed": "job boss",
    "jobless": "job boss",
    "childless": "child children son daughter kid",
    "orphan": "mother father parents",
    "insomnia": "",
    "bald": "hair",
    "short": "tall",
    "tall": "short",
    "rich": "poor",
    "stick": "run ran sprint marathon",
    "crutches": "run ran sprint marathon",
    "skint": "rich",
    "pacifist": "army gun",
}
"""What somebody who says to be the one does not do or have."""

_WORK = {
    "health": "dental nurse doctor surgeon midwife dentist hospital clinic ward patients patient "
    "physician "
    "paramedic pharmacist pharmacy medic gp radiologist physiotherapist ambulance surgery "
    "anaesthetist",
    "animals": "vet veterinary veterinarian zoo zookeeper kennel",
    "teaching": "teacher teach teaches taught school pupils pupil professor lecturer university "
    "tutor kindergarten headmaster headmistress classroom students lecture coach yoga",
    "law": "lawyer judge solicitor attorney court barrister notary law paralegal prosecutor",
    "food": "chef cook baker bake bread bakery bakes restaurant café cafe pastry butcher waiter "
    "waitress bar barista "
    "pub canteen catering caterer brewery brewer dumplings pizzeria bistro cheesemaker diner tea",
    "driving": "bus taxi truck lorry cab tram train driver chauffeur courier trucker coach",
    "building": "carpenter plumber electrician mason builder roofer bricklayer paint painter "
    "construction scaffolding scaffolder tiler joiner welder crane tiles plasterer decorator "
    "houses",
    "land": "farmer farm cows sheep orchard vineyard olives olive shepherd beekeeper harvest bees "
    "tractor goats gardener forester winemaker cattle rancher ranch dairy grow nursery flowers "
    "trees "
    "herder herd reindeer pigs",
    "sea": "fisherman fish sailor ship trawler captain harbour ferry lighthouse navy sailing cod "
    "lobster boatbuilder boats docks",
    "office": "accountant bank banker office clerk secretary insurance auditor bookkeeper broker "
    "accounting books consultant consultancy consulting manager estate realtor tax payroll",
    "computing": "programmer software developer coder hacker code startup computers servers",
    "trade": "shop cashier supermarket sell sells salesman saleswoman store market florist shelves "
    "shopkeeper boutique stall merchant",
    "arts": "actor actress musician writer dancer singer photographer film director band orchestra "
    "novelist painter sculptor composer comedian clown circus choir theatre dj artist stories",
    "forces": "police policeman policewoman soldier army colonel officer firefighter fireman "
    "prison "
    "guard navy general sergeant detective military regiment",
    "cleaning": "cleaner cleaning laundry laundromat maid janitor caretaker clean",
    "faith": "priest monk nun imam pastor vicar rabbi bishop parish monastery church",
    "air": "pilot steward stewardess airline cockpit airport controller drones",
    "hair": "hairdresser barber salon hair beautician",
    "post": "postman postwoman letters mail parcels post courier",
    "craft": "potter tailor cobbler locksmith clocks weaver jeweller tuner tune blacksmith violins "
    "watchmaker shoemaker glassblower seamstress sew locks pottery repair mend instruments",
    "mechanics": "mechanic garage weld ships engineer cars bicycles machines repairs turbines "
    "engines factory "
    "welder plant assembly",
    "media": "journalist reporter newspaper editor radio television subtitles translator translate "
    "interpreter blogger",
    "science": "scientist biologist chemist physicist laboratory lab astronomer geologist "
    "researcher "
    "archaeologist astronaut research",
    "lodging": "hotel hostel guesthouse receptionist concierge campsite guests inn motel",
    "building design": "architect surveyor",
    "mining": "miner mine oil rig quarry",
    "mountain": "guide mountaineer ski",
    "library": "librarian library archive archivist",
    "politics": "mayor minister senator politician diplomat ambassador",
}
"""By line of work, the words that give it away: trades, places and what is worked on."""


@lru_cache(maxsize=65536)
def wider(word: str) -> frozenset[str]:
    """Return a word in lower case, its singular, and what it is a kind of."""
    found = forms(word.lower())
    return found.union(*(_ABOVE.get(form, frozenset[str]()) for form in found))


def ruled_out(words: frozenset[str]) -> frozenset[str]:
    """Return what somebody who says to be one of `words` neither does nor has."""
    return frozenset[str]().union(*(_EXCLUDED.get(word, frozenset[str]()) for word in words))


@lru_cache(maxsize=4096)
def lines_of_work(text: str) -> frozenset[str]:
    """Return the lines of work that words of a text belong to."""
    words = frozenset[str]().union(*map(forms, re.findall(r"[^\W\d_]+", text.lower())))
    return frozenset[str]().union(*(_LINES.get(word, frozenset[str]()) for word in words))


@lru_cache(maxsize=65536)
def forms(word: str) -> frozenset[str]:
    """Return a word and what it may be an inflection of."""
    found = {word, _IRREGULAR.get(word, word)}
    for ending, instead in (
        ("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"),
    ):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) > 2:
            stem = word.removesuffix(ending)
            found.add(stem + instead)
            if len(stem) > 3 and stem[-1] == stem[-2]:
                found.add(stem[:-1])
    return frozenset(found)


_IRREGULAR = {
    form: verb
    for verb, these in {
        "fly": "flew flown", "drive": "drove driven", "ride": "rode ridden", "swim": "swam swum",
        "run": "ran", "eat": "ate eaten", "drink": "drank drunk", "sing": "sang sung",
        "write": "wrote written", "teach": "taught", "keep": "kept", "grow": "grew grown",
        "see": "saw seen", "fight": "fought", "buy": "bought", "sell": "sold", "build": "built",
        "break": "broke broken", "sleep": "slept", "read": "reading", "sew": "sewn",
        "hear": "heard",
        "speak": "spoke spoken", "marry": "married", "child": "children", "wife": "wives",
    }.items()
    for form in these.split()
}  # fmt: skip


def _turned(table: dict[str, str]) -> dict[str, frozenset[str]]:
    """Return, by each word listed, the keys under which it stands."""
    found: dict[str, set[str]] = {}
    for key, words in table.items():
        for word in words.split():
            found.setdefault(word, set()).add(key)
    return {word: frozenset(keys) for word, keys in found.items()}


_ABOVE, _LINES = _turned(_KINDS), _turned(_WORK)
_EXCLUDED = {word: frozenset(words.split()) for word, words in _RULED_OUT.items()}
