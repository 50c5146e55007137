const facts = data("facts"), dialogues = data("dialogues"), judges = data("judges");
const cases = document.getElementById("cases");

function rating(score) {
  const [judge, shown, value, missing, raw] = score;
  const whose = shown === "own" ? "own" : "swapped";
  const who = judges.length > 1 ? judges[judge] + ", " : "";
  const said = raw && raw !== String(value) ? " — said: " + raw : "";
  return [who + whose + " " + (value === null ? "missing (" + missing + ")" : value) + said, value === null];
}
function turn(fold, one) {
  fold.append(message("user", one.u, "turn " + one.k + (one.p ? " · fixed by the case" : ""), [...one.f.map((f) => [f, true]), ...one.t.map((t) => [t, false])]));
  if (one.r === null) return;
  const marks = one.s.map(rating);
  for (const id of one.used) marks.push(["takes up: " + (facts[id] || id), false]);
  for (const id of one.mind) marks.push(["not told: " + (facts[id] || id), true]);
  for (const [words, fault] of one.n) marks.push([words, fault]);
  fold.append(message("assistant", one.r, one.w + " words", marks));
  if (!one.after) return;
  fold.append(message("user", one.after.question, "asked afterwards"));
  fold.append(message("assistant", one.after.answer, "", [[one.after.found, false]]));
}
lazily("details.case", (fold) => {
  for (const [number, dialogue] of (dialogues[fold.dataset.case] || []).entries()) {
    const inner = element("details");
    inner.open = number === 0;
    inner.append(element("summary", "small", dialogue.title));
    for (const one of dialogue.turns) turn(inner, one);
    fold.append(inner);
  }
});
document.getElementById("order").addEventListener("change", (event) => {
  const name = event.target.value;
  const key = (fold) => (fold.dataset[name] === "" ? Infinity : Number(fold.dataset[name]));
  [...cases.children].sort((a, b) => key(a) - key(b)).forEach((fold) => cases.append(fold));
});
document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const fold of cases.children)
    fold.hidden = !fold.querySelector("summary").textContent.toLowerCase().includes(wanted);
});
