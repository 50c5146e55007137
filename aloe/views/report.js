// Trees of a simulation: the replies to a message side by side; what follows without a choice stays on one level.
function drawUser(node) {
  return message({ role: "user", id: node.id, text: node.text, marks: node.marks, head: [["turn " + node.turn, ""], [node.agent, "who"]] });
}
function drawReply(node) {
  const preferred = node.standing === "preferred";
  const head = [
    [node.agent, "who"], [preferred ? "★ preferred" : node.standing, preferred ? "star" : ""], [node.score, "", "the judge's log-odds in favour, or votes"],
    [node.continued ? "▶" : "", "", "continued"],
  ];
  return message({ role: "assistant", id: node.id, text: node.text, marks: node.marks, head, preferred });
}
function behind(tree, user, replies) {
  const names = new Set([user.id, ...replies.map((reply) => reply.id)]);
  const calls = tree.calls ? tree.calls.calls.filter((call) => names.has(call.node)) : [];
  const parts = [];
  if (user.verdicts.length) parts.push(many(user.verdicts.length, "comparison"));
  if (calls.length) parts.push(many(calls.length, "call"));
  if (!tree.calls) parts.push("calls");
  if (!parts.length) return null;
  return folded("behind", parts.join(" and "), (fold) => {
    for (const [said, votes] of user.verdicts) {
      fold.append(element("p", "", said));
      const list = element("ul");
      for (const vote of votes) list.append(element("li", "", vote));
      if (votes.length) fold.append(list);
    }
    if (tree.calls) callFolds(fold, calls, tree.calls);
    else fold.append(element("p", "dim", "Prompts and answers of this tree are not in this page: aloe trace DIR --node " + user.id.slice(0, 8)));
  }, user.id);
}
function level(box, tree, below, start) {
  let follow = [start];
  while (follow.length === 1) {
    const user = follow[0], replies = below.get(user.id) || [];
    box.append(drawUser(user));
    const row = element("div", "replies" + (replies.length === 1 ? " single" : ""));
    for (const reply of replies) row.append(drawReply(reply));
    box.append(row);
    const fold = behind(tree, user, replies);
    if (fold) box.append(fold);
    follow = replies.flatMap((reply) => (below.get(reply.id) || []).map((each) => ({ ...each, after: reply })));
  }
  for (const user of follow) {
    const branch = element("details", "branch");
    branch.dataset.key = "after " + user.after.id;
    branch.append(element("summary", "", "after " + user.after.agent + " #" + user.after.id.slice(0, 6)));
    branch.open = true;
    level(branch, tree, below, user);
    box.append(branch);
  }
}
browse(data("trees").map((tree) => {
  const below = new Map();
  for (const node of tree.nodes) below.set(node.parent, [...(below.get(node.parent) || []), node]);
  return {
    fold: byId(tree.id),
    kinds: tree.kinds,
    ids: tree.nodes.map((node) => node.id),
    texts: [...tree.about.map(([, text]) => text), ...tree.nodes.flatMap((node) => [node.text, ...node.marks.map((mark) => mark[1])])],
    fill: (box) => {
      box.append(pairs(tree.about));
      for (const opening of below.get(null) || []) level(box, tree, below, opening);
      otherCalls(box, tree.calls, tree.nodes.map((node) => node.id));
    },
  };
}));
