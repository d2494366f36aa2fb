"""The script of the scoring report: pages, sorting and filters of its pictures and faces, without any library."""

SCRIPT = r"""
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const perPage = {pictures: 24, faces: 50};
  const at = {pictures: 0, faces: 0};
  const order = {column: "", down: false};
  let shown = data.faces;

  // Text only ever becomes a text node: a name cannot add markup.
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const find = (id) => document.getElementById(id);
  const percent = (value) => value === null ? "" : `${(100 * value).toFixed(0)}%`;
  const summary = (face) => `${face.emotion} ${percent(face.confidence)}${face.abstained ? "?" : ""}`;
  const named = (source) => make("bdi", {title: source.name}, source.name);
  const linked = (source, ...children) => source.picture
    ? make("a", {href: source.picture, target: "_blank", rel: "noopener"}, ...children) : make("span", {}, ...children);
  const thumbnail = (source, alt) => source.thumbnail
    ? [make("img", {alt, src: `data:image/jpeg;base64,${source.thumbnail}`})] : [];

  const columns = [
    {name: "source", of: (face) => data.sources[face.source].name, text: (face) => {
      const source = data.sources[face.source];
      return make("span", {class: "name"}, linked(source, ...thumbnail(source, ""), named(source)));
    }},
    ...(data.has_rows ? [{name: "row", number: true, of: (face) => face.row, text: (face) => face.row || ""}] : []),
    {name: "face", number: true, of: (face) => face.face, text: (face) => face.face},
    {name: "emotion", of: (face) => face.emotion, text: (face) => face.emotion},
    {name: "confidence", number: true, of: (face) => face.confidence, text: (face) => percent(face.confidence)},
    {name: "abstained", of: (face) => face.abstained ? 0 : 1,
     text: (face) => face.abstained ? make("span", {class: "abstained"}, "abstained") : ""},
    {name: "quality", of: (face) => face.quality || "\uffff", text: (face) => face.quality},
    ...data.classes.map((name, place) => ({
      name, number: true, of: (face) => face.probabilities[place] ?? -1,
      text: (face) => percent(face.probabilities[place]),
    })),
  ];

  const buttons = columns.map((column, place) => {
    const button = make("button", {type: "button"}, make("bdi", {}, column.name));
    button.addEventListener("click", () => {
      order.down = order.column === place ? !order.down : Boolean(column.number);
      order.column = place;
      update();
    });
    return button;
  });
  const heads = columns.map((column, place) =>
    make("th", {scope: "col", ...(column.number ? {class: "number"} : {})}, buttons[place]));
  find("heads").append(...heads);
  for (const name of data.classes) find("emotion").append(make("option", {value: name}, name));

  const update = () => {
    const wanted = find("search").value.toLowerCase();
    const emotion = find("emotion").value;
    const abstained = find("abstained").value;
    const quality = find("quality").value;
    shown = data.faces.filter((face) =>
      (!wanted || data.sources[face.source].name.toLowerCase().includes(wanted))
      && (!emotion || face.emotion === emotion)
      && (!abstained || (abstained === "yes") === face.abstained)
      && (!quality || (quality === "yes") === (face.quality !== "")));
    if (order.column !== "") {
      const {of} = columns[order.column];
      const sign = order.down ? -1 : 1;
      shown.sort((one, two) => {
        const [first, second] = [of(one), of(two)];
        return sign * (first < second ? -1 : first > second ? 1 : 0);
      });
    }
    heads.forEach((head, place) => {
      head.removeAttribute("aria-sort");
      if (place === order.column) head.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    });
    at.pictures = at.faces = 0;
    drawPictures();
    drawFaces();
  };

  const turn = (kind, total, draw) => {
    const last = Math.max(Math.ceil(total / perPage[kind]) - 1, 0);
    at[kind] = Math.min(Math.max(at[kind], 0), last);
    const start = at[kind] * perPage[kind];
    const end = Math.min(start + perPage[kind], total);
    const step = (text, to, enabled) => {
      const button = make("button", {type: "button", "data-step": text}, text);
      button.disabled = !enabled;
      button.addEventListener("click", () => { at[kind] = to; draw(); });
      return button;
    };
    const [first, final, all] = [start + 1, end, total].map((number) => number.toLocaleString("en"));
    const noun = total === 1 ? kind.slice(0, -1) : kind;
    const count = make("span", {}, last ? `${first} to ${final} of ${all} ${noun}` : `${total ? all : "no"} ${noun}`);
    find(`${kind}-pages`).replaceChildren(...(last ? [
      step("First", 0, at[kind] > 0), step("Back", at[kind] - 1, at[kind] > 0), count,
      step("Next", at[kind] + 1, at[kind] < last), step("Last", last, at[kind] < last)] : [count]));
    return [start, end];
  };

  const drawPictures = () => {
    const bySource = new Map();
    for (const face of shown) {
      if (!data.sources[face.source].picture) continue;
      if (!bySource.has(face.source)) bySource.set(face.source, []);
      bySource.get(face.source).push(face);
    }
    const groups = [...bySource];
    find("pictures-part").hidden = !data.sources.some((source) => source.picture);
    const [start, end] = turn("pictures", groups.length, drawPictures);
    find("pictures").replaceChildren(...groups.slice(start, end).map(([place, faces]) => {
      const source = data.sources[place];
      const first = faces.slice(0, 3).map(summary);
      const caption = first.join(", ") + (faces.length > 3 ? ` and ${faces.length - 3} more` : "");
      return make("li", {}, linked(source, ...thumbnail(source, ""), make("span", {class: "name"}, named(source))),
        make("small", {}, caption));
    }));
  };

  const drawFaces = () => {
    const [start, end] = turn("faces", shown.length, drawFaces);
    find("faces").replaceChildren(...shown.slice(start, end).map((face) => make("tr", {}, ...columns.map((column) =>
      make("td", column.number ? {class: "number"} : {}, column.text(face))))));
  };

  for (const id of ["search", "emotion", "abstained", "quality"]) find(id).addEventListener("input", update);
  update();
})();
"""
