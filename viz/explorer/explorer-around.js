"use strict";

/** What a node reads and who reads it, as buttons that go there. */
const around = (() => {
  const { make, button } = elements;
  const { nodes } = story;
  const MOST = 12; // of either that are listed
  const readers = {};
  for (const [id, { inputs }] of Object.entries(nodes)) {
    for (const input of new Set(inputs)) {
      (readers[input] ??= []).push(id);
    }
  }

  function list(word, ids, choose) {
    const shown = ids.slice(0, MOST);
    const links = shown.flatMap((id, i) => {
      const link = button(story.called(id), `${word}-${id}`, () => choose(id), { class: "link", "data-go": id });
      return i > 0 ? [", ", link] : [link];
    });
    const more = ids.length - shown.length;
    return shown.length > 0 && make("p", { class: "meta around" }, `${word} `, ...links, more > 0 ? ` and ${more} more` : "");
  }

  /** Paragraphs for a node; none for what it has none of. */
  const write = (id, choose) => [
    list("reads", [...new Set(nodes[id].inputs)], choose),
    list("read by", readers[id] ?? [], choose),
  ];

  return { write };
})();
