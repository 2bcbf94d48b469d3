"use strict";

/** Both passes as they were recorded, and what of them is there after a step. */
const story = (() => {
  const data = JSON.parse(document.getElementById("trace").textContent);
  const { nodes, steps, groups } = data;
  for (const node of Object.values(nodes)) { // formulas are told by their numbers
    for (const [one, ...names] of [[node, "formula", "gradientFormula"], ...[...node.contributions, ...node.rules].map((part) => [part, "formula"])]) {
      names.forEach((name) => (one[name] = data.texts[one[name]]));
    }
  }

  // After which step: the value is computed, an output's own gradient is there, the rules have run.
  const computed = Object.fromEntries(Object.keys(nodes).map((id) => [id, 0]));
  const seeded = {};
  const sent = {};
  for (const [i, step] of steps.entries()) {
    ({ forward: computed, seed: seeded, backward: sent })[step.phase][step.node] = i + 1;
  }

  const known = (id, k) => computed[id] <= k;
  const arrived = (part, k) => sent[part.from] <= k;

  // The steps that are drawn in one box, the last one first.
  const boxed = {};
  for (const [id, node] of Object.entries(nodes)) {
    boxed[node.host] = [id, ...(boxed[node.host] ?? [])];
  }

  /** The contributions of the rules in a node's box to what is outside of it, and whether they have run. */
  function rules(id, k) {
    const within = boxed[id] ?? [id];
    const all = within.flatMap((step) => nodes[step].rules).filter(({ to }) => !within.includes(to));
    return { all, done: within.every((step) => nodes[step].rules.length === 0 || sent[step] <= k) };
  }

  // After which step the first and the last of what adds up to a gradient is there.
  const begun = {};
  const complete = {};
  for (const [id, node] of Object.entries(nodes)) {
    const due = node.contributions.map((part) => sent[part.from]);
    const all = id in seeded ? [...due, seeded[id]] : due;
    begun[id] = all.reduce((one, other) => Math.min(one, other), Infinity);
    complete[id] = all.reduce((one, other) => Math.max(one, other), 0) || Infinity;
  }

  /** How much of a node's gradient is there: none, partial or complete. */
  const gradient = (id, k) => (begun[id] > k ? "none" : complete[id] > k ? "partial" : "complete");

  /** How many of the terms that add up to its gradient are there: `1 of 2 terms`. */
  function share(id, k) {
    const parts = nodes[id].contributions;
    return `${parts.filter((part) => arrived(part, k)).length} of ${parts.length} terms`;
  }

  // Of a folded group those count whose state changes: what is computed, what gets a gradient.
  const parts = {};
  for (const [id, group] of Object.entries(groups)) {
    const members = group.members.filter((member) => member in nodes);
    parts[id] = {
      made: members.filter((member) => computed[member] > 0),
      sloped: members.filter((member) => nodes[member].gradientName !== ""),
    };
  }

  /** The state of the value and the gradient of a node, or of all in a folded group. */
  function progress(id, k) {
    const { made, sloped } = parts[id] ?? { made: [id], sloped: [id] };
    const values = made.filter((member) => known(member, k)).length;
    const slopes = new Set(sloped.map((member) => gradient(member, k)));
    return {
      value: values === made.length ? "known" : values > 0 ? "partial" : "unknown",
      gradient: slopes.size > 1 ? "partial" : ([...slopes][0] ?? "none"),
    };
  }

  /** The words of a screen reader for a node or group. */
  function spoken(id, { value, gradient: slope }) {
    const node = nodes[id];
    if (!node) {
      return `${groups[id].title}, folded: ${groups[id].summary}`;
    }
    const shape = node.shape.length > 0 ? `shape ${node.shape.join(" by ")}` : "scalar";
    const there = value === "known" ? "computed" : "not yet computed";
    const rest = slope === "none" ? "" : `, gradient ${slope}`;
    return `${node.title}, ${node.kind}, ${shape}, ${there}${rest}`;
  }

  /** A node in few words: its name, or its formula where it has none. */
  const called = (id) => nodes[id].name || nodes[id].title;

  /** Step k in words. */
  function words(k) {
    const step = steps[k - 1];
    if (!step) {
      return `step 0 of ${steps.length} · what is given`;
    }
    const receivers = step.edges.map((edge) => nodes[data.edges[edge][0]].gradientName);
    const what = {
      forward: () => nodes[step.node].title,
      seed: () => `${nodes[step.node].gradientName} = 1`,
      backward: () => `the rule of ${called(step.node)} gives ${[...new Set(receivers)].join(" and ")}`,
    };
    const pass = step.phase === "forward" ? "forward" : "backward";
    return `step ${k} of ${steps.length} · ${pass} · ${what[step.phase]()}`;
  }

  return {
    ...data,
    turn: steps.filter((step) => step.phase === "forward").length, // steps before the way back
    known,
    rules,
    arrived,
    gradient,
    share,
    progress,
    spoken,
    called,
    words,
  };
})();
