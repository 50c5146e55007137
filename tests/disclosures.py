"""Sentences of users, labelled by hand with what they say about which statement of a persona."""

PERSONAS: dict[str, tuple[str, str]] = {
    "bike": (
        "I am 34 years old. I mend bicycles in Porto. I have a son called Rui. I swim a lot.",
        "I am short with people. I want plain answers.",
    ),
    "leeds": (
        "I am 71. I live on a small pension in Leeds. My knees hurt. I sing in a choir.",
        "I worry about everything. I like to be told each step.",
    ),
    "ghana": (
        "I turned 34 last month. I live in the port city of Takoradi in Ghana. I "
        "calibrate fuel pumps for a chain of petrol stations. I hear nothing with my "
        "left ear. On most Sunday afternoons I play draughts at a roadside board. I am "
        "revising for a measurement exam in November.",
        "I lose patience when an answer runs past three lines. I cut off stories to "
        "demand the ending. I talk in clipped fragments.",
    ),
    "twins": (
        "I gave birth to twins nine weeks ago. I live in the town of Dinant in Belgium. "
        "I am 26 years old. I am on leave from a job laying floor tiles. I listen to "
        "court-case podcasts during night feeds. This month I want to sleep four hours "
        "in a row.",
        "I like the key point repeated at the end of an answer.",
    ),
    "mush": (
        "I write subtitles for television dramas. I live in a shared flat in Dunedin, "
        "New Zealand. I am 29. Migraine limits me to four working hours a day. I grow "
        "oyster mushrooms in a broom cupboard. I need to agree on a fair rent split "
        "with my flatmates.",
        "I prefer two options to a single recommendation.",
    ),
}

SENTENCES: list[tuple[str, str, str, str]] = [
    ("bike", "I'm 34.", "revealed", "I am 34 years old."),
    ("bike", "I repair bikes here in Porto.", "revealed", "I mend bicycles in Porto."),
    ("bike", "My boy Rui starts school soon.", "revealed", "I have a son called Rui."),
    ("bike", "I go swimming nearly every morning.", "revealed", "I swim a lot."),
    ("bike", "I fix bicycles for a living.", "revealed", "I mend bicycles in Porto."),
    ("bike", "Please keep it plain, I want plain answers.", "revealed", "I want plain answers."),
    ("leeds", "My knees hurt when I climb stairs.", "revealed", "My knees hurt."),
    ("leeds", "I sing alto in a choir on Tuesdays.", "revealed", "I sing in a choir."),
    (
        "leeds",
        "I have to live on a small pension.",
        "revealed",
        "I live on a small pension in Leeds.",
    ),
    ("leeds", "I'm 71 years old.", "revealed", "I am 71."),
    ("leeds", "I'm worried about everything these days.", "revealed", "I worry about everything."),
    (
        "ghana",
        "I don't hear anything with my left ear.",
        "revealed",
        "I hear nothing with my left ear.",
    ),
    ("ghana", "I'm deaf in the left ear.", "revealed", "I hear nothing with my left ear."),
    ("ghana", "I live in Takoradi.", "revealed", "I live in the port city of Takoradi in Ghana."),
    (
        "ghana",
        "I have a measurement exam in November that I must revise for.",
        "revealed",
        "I am revising for a measurement exam in November.",
    ),
    (
        "ghana",
        "On Sundays I play draughts by the road.",
        "revealed",
        "On most Sunday afternoons I play draughts at a roadside board.",
    ),
    (
        "ghana",
        "I work for petrol stations, calibrating their pumps.",
        "revealed",
        "I calibrate fuel pumps for a chain of petrol stations.",
    ),
    ("twins", "I had twins nine weeks ago.", "revealed", "I gave birth to twins nine weeks ago."),
    (
        "twins",
        "My twins were born nine weeks ago.",
        "revealed",
        "I gave birth to twins nine weeks ago.",
    ),
    (
        "twins",
        "I listen to podcasts about court cases while feeding at night.",
        "revealed",
        "I listen to court-case podcasts during night feeds.",
    ),
    (
        "twins",
        "I'm on leave from a job laying floor tiles, so I can only do this one day a month.",
        "revealed",
        "I am on leave from a job laying floor tiles.",
    ),
    (
        "twins",
        "I would love four hours of sleep in a row.",
        "revealed",
        "This month I want to sleep four hours in a row.",
    ),
    (
        "twins",
        "I lay floor tiles for work but I am on leave.",
        "revealed",
        "I am on leave from a job laying floor tiles.",
    ),
    (
        "mush",
        "I have grown oyster mushrooms in a broom cupboard.",
        "revealed",
        "I grow oyster mushrooms in a broom cupboard.",
    ),
    (
        "mush",
        "I get migraines, so four hours of work a day is my limit.",
        "revealed",
        "Migraine limits me to four working hours a day.",
    ),
    (
        "mush",
        "I share a flat in Dunedin.",
        "revealed",
        "I live in a shared flat in Dunedin, New Zealand.",
    ),
    (
        "mush",
        "My flatmates and I need a fair way to split the rent.",
        "revealed",
        "I need to agree on a fair rent split with my flatmates.",
    ),
    (
        "mush",
        "I'm a subtitler for TV dramas.",
        "revealed",
        "I write subtitles for television dramas.",
    ),
    ("bike", "I am 52 years old.", "contradicted", "I am 34 years old."),
    ("bike", "I mend bicycles in Lisbon.", "contradicted", "I mend bicycles in Porto."),
    ("bike", "I have a son called Pedro.", "contradicted", "I have a son called Rui."),
    ("bike", "I never swim.", "contradicted", "I swim a lot."),
    ("leeds", "My knees do not hurt.", "contradicted", "My knees hurt."),
    (
        "leeds",
        "I live on a small pension in York.",
        "contradicted",
        "I live on a small pension in Leeds.",
    ),
    ("leeds", "I'm 64.", "contradicted", "I am 71."),
    ("leeds", "I never sing in a choir.", "contradicted", "I sing in a choir."),
    (
        "twins",
        "I live in the capital city of Brussels, Belgium.",
        "contradicted",
        "I live in the town of Dinant in Belgium.",
    ),
    (
        "twins",
        "I gave birth to twins six weeks ago.",
        "contradicted",
        "I gave birth to twins nine weeks ago.",
    ),
    (
        "twins",
        "I want to sleep eight hours in a row this month.",
        "contradicted",
        "This month I want to sleep four hours in a row.",
    ),
    (
        "mush",
        "I'm 30 years old, so I've got to be a little older when it comes to your age group.",
        "contradicted",
        "I am 29.",
    ),
    (
        "mush",
        "I don't live in a shared flat.",
        "contradicted",
        "I live in a shared flat in Dunedin, New Zealand.",
    ),
    (
        "mush",
        "I prefer five options to a single recommendation.",
        "contradicted",
        "I prefer two options to a single recommendation.",
    ),
    ("ghana", "I hear well with my left ear.", "contradicted", "I hear nothing with my left ear."),
    ("bike", "I collect stamps.", "invented", ""),
    ("bike", "I have a sister in Madrid.", "invented", ""),
    ("bike", "I am allergic to peanuts.", "invented", ""),
    ("leeds", "I play the trumpet.", "invented", ""),
    ("leeds", "My roof leaks.", "invented", ""),
    ("leeds", "I own a red car.", "invented", ""),
    ("leeds", "I used to be a nurse.", "invented", ""),
    ("ghana", "I want to learn Spanish.", "invented", ""),
    ("ghana", "I'm not a fan of being a tour guide.", "invented", ""),
    ("ghana", "I have a dog called Max.", "invented", ""),
    (
        "twins",
        "I like to sleep in a couple of hours, which helps me avoid the crowds.",
        "invented",
        "",
    ),
    ("twins", "I'm off duty now.", "invented", ""),
    (
        "twins",
        "I've lived in various cities, but one of my favorite places to visit is Bruges.",
        "invented",
        "",
    ),
    ("mush", "I am learning to play chess.", "invented", ""),
    ("mush", "I bought a new coat for a wedding.", "invented", ""),
    ("mush", "You're not supposed to eat them, but you do it anyway.", "invented", ""),
    ("mush", "What do you think about this?", "invented", ""),
    ("mush", "I work in a bakery at night.", "invented", ""),
    ("ghana", "So, how about this one?", "invented", ""),
    ("bike", "Let us go on to point 312.", "invented", ""),
    ("leeds", "Thanks, that is kind of you.", "invented", ""),
]
"""Persona, sentence, kind, and the statement that it is about (none if invented)."""

HELD_OUT: list[tuple[str, str, str, str]] = [
    ("bike", "I'm thirty-four, if that matters.", "revealed", "I am 34 years old."),
    (
        "bike",
        "My workshop in Porto is full of bicycles I mend.",
        "revealed",
        "I mend bicycles in Porto.",
    ),
    ("bike", "Rui, my son, wants to come along.", "revealed", "I have a son called Rui."),
    ("bike", "I swim a lot, mostly before work.", "revealed", "I swim a lot."),
    (
        "leeds",
        "I'm on a small pension, so nothing expensive.",
        "revealed",
        "I live on a small pension in Leeds.",
    ),
    ("leeds", "I sing in the church choir.", "revealed", "I sing in a choir."),
    ("leeds", "Both my knees hurt today.", "revealed", "My knees hurt."),
    ("leeds", "I like to be told each step.", "revealed", "I like to be told each step."),
    (
        "ghana",
        "I calibrate fuel pumps.",
        "revealed",
        "I calibrate fuel pumps for a chain of petrol stations.",
    ),
    (
        "ghana",
        "Come November I have to pass an exam on measurement.",
        "revealed",
        "I am revising for a measurement exam in November.",
    ),
    ("twins", "I turned 26 in spring.", "revealed", "I am 26 years old."),
    ("twins", "I live in Dinant.", "revealed", "I live in the town of Dinant in Belgium."),
    (
        "mush",
        "I grow oyster mushrooms at home, in a cupboard.",
        "revealed",
        "I grow oyster mushrooms in a broom cupboard.",
    ),
    (
        "mush",
        "Because of migraine I work four hours a day at most.",
        "revealed",
        "Migraine limits me to four working hours a day.",
    ),
    ("bike", "I am 43 years old.", "contradicted", "I am 34 years old."),
    ("bike", "I don't swim at all.", "contradicted", "I swim a lot."),
    (
        "leeds",
        "I live on a small pension in Hull.",
        "contradicted",
        "I live on a small pension in Leeds.",
    ),
    (
        "ghana",
        "I live in the port city of Tema in Ghana.",
        "contradicted",
        "I live in the port city of Takoradi in Ghana.",
    ),
    ("twins", "I am 31.", "contradicted", "I am 26 years old."),
    (
        "mush",
        "I write no subtitles for television dramas.",
        "contradicted",
        "I write subtitles for television dramas.",
    ),
    ("bike", "I bake bread every weekend.", "invented", ""),
    ("bike", "I lost my keys on the bus.", "invented", ""),
    ("leeds", "I am vegetarian.", "invented", ""),
    ("leeds", "My granddaughter plays football.", "invented", ""),
    ("ghana", "I drive a red lorry.", "invented", ""),
    ("twins", "I want to repaint the kitchen.", "invented", ""),
    ("mush", "I have never been abroad.", "invented", ""),
    ("mush", "Could you explain that again?", "invented", ""),
]
"""The same, labelled after the thresholds were set."""
