"""Six people in each of some languages, and people in tables, no two of them alike."""

import random

PEOPLE = {
    "ja": [
        "私は札幌で小学校の教師をしています。三人の子どもがいて、冬はスキーに行きます。",
        "彼は大阪の寿司職人で、四十年間魚市場に通い続けている。",
        "福岡に住む大学生で、プログラミングとゲームが趣味です。",
        "沖縄の漁師として毎朝海に出ます。船は父から受け継ぎました。",
        "京都で着物を作る職人の祖母は八十歳になりました。",
        "東京の銀行で働き、週末は山に登ります。",
    ],
    "hi": [
        "मैं जयपुर में एक दर्जी हूँ और मेरे दो बेटे हैं।",
        "वह मुंबई में टैक्सी चलाता है और क्रिकेट देखना पसंद करता है।",
        "केरल की एक नर्स जो समुद्र के पास रहती है।",
        "दिल्ली में कॉलेज का छात्र, गणित पढ़ता है।",
        "पंजाब का किसान जो गेहूँ उगाता है।",
        "कोलकाता की लेखिका जिसे पुराने सिक्के जमा करना अच्छा लगता है।",
    ],
    "ko": [
        "저는 부산에서 빵집을 운영합니다. 아이가 둘 있어요.",
        "서울의 은행에서 일하고 주말에는 등산을 갑니다.",
        "제주도의 어부로 매일 바다에 나갑니다.",
        "대학에서 수학을 공부하는 학생입니다.",
        "은퇴한 간호사이고 정원 가꾸기를 좋아합니다.",
        "트럭을 운전하며 전국을 다닙니다.",
    ],
    "de": [
        "Ich bin Bäckerin in Kiel und habe zwei Hunde.",
        "Er fährt Straßenbahn in Graz und sammelt Münzen.",
        "Eine Studentin aus Bern, die Mathematik lernt.",
        "Als Fischer auf Rügen fahre ich jeden Morgen hinaus.",
        "Rentner, der seinen Garten in Dresden liebt.",
        "Ich arbeite in einer Bank und wandere am Wochenende.",
    ],
    "es": [
        "Tengo una panadería en Sevilla y dos perros.",
        "Conduce un tranvía en Bilbao y colecciona monedas.",
        "Una estudiante de Lima que aprende matemáticas.",
        "Soy pescador en Vigo y salgo al mar cada mañana.",
        "Un jubilado que ama su jardín en Quito.",
        "Trabajo en un banco y camino por la montaña los domingos.",
    ],
    "en": [
        "I bake in Kiel and have two dogs.",
        "He drives a tram in Graz and collects coins.",
        "A student from Bern who learns mathematics.",
        "As a fisherman on Ruegen I go out each morning.",
        "A pensioner who loves his garden in Dresden.",
        "I work in a bank and hike on weekends.",
    ],
}

ATTRIBUTES = {
    "Age": [str(age) for age in range(19, 90)],
    "Sex": ["Male", "Female"],
    "Race": ["White alone", "Black or African American alone", "Asian alone", "Some other race"],
    "Ancestry": ["German", "Irish", "Mexican", "Filipino", "Nigerian", "Italian"],
    "Household language": ["English", "Spanish", "Other"],
    "Education": ["Regular high school diploma", "Bachelor's degree", "Some college", "Grade 11"],
    "Employment status": ["Civilian employed, at work", "Not in labor force", "Unemployed"],
    "Class of worker": ["Private for-profit", "Government", "Self-employed", "Not applicable"],
    "Industry category": ["MED-Hospitals", "RET-Grocery", "EDU-Schools", "CON-Construction"],
    "Occupation category": ["Cooks", "Registered nurses", "Software developers", "Truck drivers"],
    "Detailed job description": ["Prepares meals", "Writes software", "Hauls timber", "Teaches"],
    "Income": [str(income) for income in range(12000, 150000, 1700)],
    "Marital status": ["Married", "Never married", "Divorced", "Widowed"],
    "Household type": ["Couple household", "Cohabiting", "Male householder, living alone"],
    "Place of birth": ["Ohio/OH", "Texas/TX", "Mexico", "Maine/ME"],
    "Veteran status": ["Non-Veteran", "Veteran"],
    "Disability": ["None", "With a disability"],
    "Health insurance": ["With health insurance coverage", "Without"],
    "Hearing difficulty": ["None"],
    "Vision difficulty": ["None"],
    "Ability to speak english": ["Not applicable"],
}


def persona_table(number: int) -> str:
    """Return somebody in the layout of PERSONA, the values drawn at random."""
    chance = random.Random(number)
    return "\n".join(f"{name}: {chance.choice(values)}" for name, values in ATTRIBUTES.items())
