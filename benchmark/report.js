// Cases of a benchmark: the dialogues of a case beside each other, each turn with its ratings.
const dialogues = data("dialogues"), cases = byId("cases");
// The messages of a turn: what is drawn is what is searched.
function messagesOf(one) {
  const found = [{
    role: "user", id: one.u.id, text: one.u.text, marks: one.u.marks,
    head: [["turn " + one.k, ""], [one.u.fixed ? "fixed by the case" : "", ""]],
  }];
  if (one.r === null) return found;
  const level = (whose, value) => (value === null ? whose + " missing" : whose + " " + value);
  found.push({
    role: "assistant", id: one.r.id, text: one.r.text, marks: one.r.marks, rated: one.r,
    head: [[level("own", one.r.own), "who"], [level("swapped", one.r.swapped), ""], [many(one.r.words, "word"), ""]],
  });
  if (one.after) found.push(
    { role: "user", text: one.after.question, marks: [], head: [["asked afterwards", ""]] },
    { role: "assistant", text: one.after.answer, marks: [["note", one.after.found, ""]], head: [], asked: true },
  );
  return found;
}
function drawTurn(box, dialogue, one) {
  for (const each of messagesOf(one)) {
    box.append(message(each));
    if (each.rated) box.append(behind(dialogue, [one.u.node, one.r.node], one.r.ratings) || "");
    if (each.asked) box.append(behind(dialogue, one.after.nodes, []) || "");
  }
}
function behind(dialogue, nodes, ratings) {
  const names = new Set(nodes);
  const calls = dialogue.calls ? dialogue.calls.calls.filter((call) => names.has(call.node)) : [];
  const parts = ratings.length ? [many(ratings.length, "rating")] : [];
  if (calls.length) parts.push(many(calls.length, "call"));
  if (!dialogue.calls && !parts.length) parts.push("calls");
  if (!parts.length) return null;
  return folded("behind", parts.join(" and "), (fold) => {
    const list = element("ul");
    for (const [said, missing] of ratings) list.append(element("li", missing ? "bad" : "", said));
    if (ratings.length) fold.append(list);
    if (dialogue.calls) callFolds(fold, calls, dialogue.calls);
    else fold.append(element("p", "dim", "Prompts and answers of this dialogue are not in this page: aloe trace " + dialogue.folder + " --node " + nodes[0].slice(0, 8)));
  }, dialogue.title + " " + nodes[0]);
}
function drawDialogue(dialogue) {
  const box = element("section", "dialogue");
  box.append(element("h3", "", dialogue.title), element("p", "small dim", dialogue.figures));
  for (const one of dialogue.turns) drawTurn(box, dialogue, one);
  const shown = dialogue.turns.filter((one) => one.r).flatMap((one) => [one.u.node, one.r.node, ...(one.after ? one.after.nodes : [])]);
  otherCalls(box, dialogue.calls, shown, dialogue.title);
  return box;
}
const items = [...cases.children].map((fold) => {
  const { about, held } = dialogues[fold.dataset.case];
  const messages = held.flatMap((dialogue) => dialogue.turns.flatMap(messagesOf));
  return {
    fold,
    kinds: [],
    ids: messages.map((each) => each.id).filter(Boolean),
    texts: [
      fold.querySelector(".name").textContent, ...about.map(([, text]) => text),
      ...messages.flatMap((each) => [each.text, ...each.marks.map((mark) => mark[1])]),
    ],
    fill: (box) => {
      box.append(pairs(about));
      const row = element("div", "dialogues");
      for (const dialogue of held) row.append(drawDialogue(dialogue));
      box.append(row);
    },
  };
});
byId("order").addEventListener("change", (event) => {
  const name = event.target.value;
  const key = (fold) => (fold.dataset[name] === "" ? Infinity : Number(fold.dataset[name]));
  [...cases.children].sort((a, b) => key(a) - key(b)).forEach((fold) => cases.append(fold));
});
browse(items);
