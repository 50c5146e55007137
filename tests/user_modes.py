"""Forty-three ways in which users of simulators say that a user fails, by name: what came.

The first twenty-three are named in reports; the others are of the same families. The
persona is `PERSONA`, the tree's first message is what each of them is.
"""

PERSONA = (
    "I am 47 and repair clocks in Basel. I have two sons. I am a vegetarian. I was widowed in "
    "2015. I never learned to swim.",
    "I am curt. I like proof.",
)

MODES: dict[str, str] = {
    "thinks aloud": "Thinking: he is curt, so one line. Which oil for a mantel clock?",
    "as the user I would say": "As the user, I would say: which oil for a mantel clock?",
    "introduces the message": "Here is the person's next message: Which oil for a clock?",
    "answers as the assistant": "I'd recommend a synthetic oil. Would you like me to list a few?",
    "declines the part": "I'm sorry, but I can't role-play as a real person.",
    "declines the task": "I'm sorry, but I can't help you with that.",
    "coaches the assistant": "You should ask me about my sons next.",
    "invents kin": "My wife Rosa and our daughter the senator want a mantel clock. Which oil?",
    "another language": "Welches Öl nehme ich denn für eine alte Kaminuhr?",
    "both sides of the talk": "Which oil?\nAssistant: A synthetic one.\nUser: Thanks.",
    "label in bold": "**User:** Which oil for a mantel clock?",
    "label with a name": "Maria: Which oil for a mantel clock?",
    "an object": '{"message": "Which oil for a mantel clock?"}',
    "three options": "1. Which oil for a mantel clock?\n2. Oil or grease?\n3. Experiment of it.",
    "a blank": "Which oil does a [type of clock] need, says [Name]?",
    "a count of words": "Which oil for a mantel clock? (18 words)",
    "an end mark": "Which oil for a mantel clock? [END]",
    "a stop mark": "Which oil for a mantel clock? ###STOP###",
    "repeats itself": "Which oil? Which oil do I take? Which oil do I take? Which oil do I take?",
    "a stage direction": "*sighs* Which oil for a mantel clock?",
    "a note cut off": "Which oil for a mantel clock? (Note:",
    "leaks its traits": "I am curt. I like proof. Which oil for a mantel clock?",
    "leaks its note": "Note: I repair clocks in Basel. Which oil for a mantel clock?",
    "thoughts in tags": "<think>He is curt.</think>Which oil for a mantel clock?",
    "a harmony channel": "<|channel|>analysis<|message|>Hm.<|channel|>final<|message|>Which oil?",
    "a chat token": "Which oil for a mantel clock?<|im_end|>",
    "a fence": "```\nWhich oil for a mantel clock?\n```",
    "quotes around it": '"Which oil for a mantel clock?"',
    "a tag around it": "<message>Which oil for a mantel clock?</message>",
    "offers help": "How can I help you today?",
    "says that it is a machine": "As an AI, I have no clock, but which oil would it need?",
    "praises the question": "That's a great question! Let me break it down for you.",
    "reports the person": "The clockmaker curtly asks which oil a mantel clock needs.",
    "grades itself": "Which oil for a mantel clock?\n\n(In character, asks for proof.)",
    "a trailing remark": "Which oil for a mantel clock?\n\nI kept it short, as he is curt.",
    "a direction in brackets": "(sighs deeply) Which oil for a mantel clock?",
    "quoted alternatives": 'Either "Which oil?" or "Oil or grease?"',
    "talks of the persona": "The persona likes proof, so: which oil, and who says so?",
    "plays for realism": "Then I can mention my sons, so ask about them to keep it realistic.",
    "another age": "I'm 23 and just bought a mantel clock. Which oil?",
    "kin that it has not": "I have no children to leave it to. Which oil for a mantel clock?",
    "a spouse that died": "My husband is out and my wife wants the clock to run. Which oil?",
    "does what it does not": "After my steak each evening I wind the clock. Which oil?",
}
