"use strict";
// The key lives in this variable alone: no storage of the browser keeps it.
let key = "";

function headers() {
  return key ? { authorization: "Bearer " + key } : {};
}

const SVG = "http://www.w3.org/2000/svg";
// Bars beside a table: half of this to each side.
const SPAN = 200;
// More features than these stand in the answer alone.
const MOST = 12;

function element(name, text, of) {
  const made = of ? document.createElementNS(of, name) : document.createElement(name);
  if (text !== undefined) made.textContent = text;
  return made;
}

function bar(amount, largest) {
  const svg = element("svg", undefined, SVG);
  svg.setAttribute("viewBox", "0 0 " + SPAN + " 12");
  svg.setAttribute("aria-hidden", "true");
  const length = largest ? (Math.abs(amount) / largest) * (SPAN / 2) : 0;
  const rect = element("rect", undefined, SVG);
  rect.setAttribute("x", amount < 0 ? SPAN / 2 - length : SPAN / 2);
  rect.setAttribute("width", length);
  rect.setAttribute("height", 12);
  rect.setAttribute("class", amount < 0 ? "lowers" : "raises");
  const axis = element("line", undefined, SVG);
  for (const [name, value] of [["x1", SPAN / 2], ["x2", SPAN / 2], ["y1", 0], ["y2", 12]]) axis.setAttribute(name, value);
  svg.append(rect, axis);
  return svg;
}

const digits = (number) => Number(number).toPrecision(4);
const signed = (number) => (number < 0 ? "\u2212" : "+") + digits(Math.abs(number));

function list(items) {
  const made = element("ul");
  for (const item of items) made.append(element("li", item));
  return made;
}

function otherwise(found) {
  if (found.outcome === "already-met") return "Nothing has to change: the score is on the better side of " + found.threshold + ".";
  if (found.outcome === "not-found") return "No allowed change reaches " + found.threshold + "; the nearest is " + digits(found.score) + ".";
  const changes = found.changes.map((change) => change.name + " " + change.to + " in place of " + change.from);
  return "With " + changes.join(", and ") + " the score would be " + digits(found.score) + ".";
}

// What each feature did to the score of each row, as bars with their numbers.
function why(explanations) {
  return explanations.map((row, at) => {
    const part = element("section");
    part.append(element("h4", "Row " + (at + 1) + ": score " + digits(row.score) + ", where the rows compared with have " + digits(row.base)));
    const table = element("table");
    const caption = element("caption", "What each feature added to the score");
    caption.className = "unseen";
    table.append(caption);
    const body = element("tbody");
    const shown = row.features.slice(0, MOST);
    const largest = Math.max(...shown.map((feature) => Math.abs(feature.amount)), 0);
    for (const feature of shown) {
      const line = element("tr");
      const head = element("th", feature.name + (feature.value === null ? "" : " = " + feature.value));
      head.scope = "row";
      const picture = element("td");
      picture.append(bar(feature.amount, largest));
      line.append(head, picture, element("td", signed(feature.amount)));
      body.append(line);
    }
    table.append(body);
    part.append(table);
    if (row.reasons) part.append(element("h4", "Reasons"), list(row.reasons));
    if (row.counterfactual) part.append(element("h4", "What would have to be otherwise"), element("p", otherwise(row.counterfactual)));
    if (row.remarks) part.append(list(row.remarks));
    return part;
  });
}

function attempts(root) {
  for (const form of root.querySelectorAll("form.try")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const act = event.submitter ? event.submitter.value : "infer";
      const said = form.querySelector("pre");
      const status = form.querySelector(".said");
      const pictures = form.querySelector(".why");
      const buttons = form.querySelectorAll("button");
      for (const button of buttons) button.disabled = true;
      status.textContent = act === "explain" ? "Explaining \u2026" : "Scoring \u2026";
      let text;
      let good = false;
      let explanations;
      try {
        const answer = await fetch(form.dataset.path + "/" + act, {
          method: "POST",
          headers: { ...headers(), "content-type": "application/json" },
          body: form.querySelector("textarea").value,
        });
        good = answer.ok;
        text = await answer.text();
        try {
          const parsed = JSON.parse(text);
          explanations = good ? parsed.explanations : undefined;
          text = JSON.stringify(parsed, null, 2);
        } catch {
          // Not JSON: it is shown as it came.
        }
        text = answer.status + "\n" + text;
      } catch (error) {
        text = "The server did not answer: " + error.message;
      }
      status.textContent = good ? "Answered." : "Refused:";
      pictures.replaceChildren(...(explanations ? why(explanations) : []));
      pictures.hidden = !explanations;
      said.hidden = false;
      said.className = good ? "" : "bad";
      said.textContent = text;
      for (const button of buttons) button.disabled = false;
      (event.submitter || buttons[0]).focus();
    });
  }
}

const asks = document.getElementById("key");
if (asks) {
  asks.addEventListener("submit", async (event) => {
    event.preventDefault();
    key = document.getElementById("word").value.trim();
    const main = document.getElementById("main");
    try {
      const answer = await fetch("/", { headers: headers() });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main.replaceChildren(...page.getElementById("main").childNodes);
      attempts(main);
    } catch (error) {
      main.textContent = "The server did not answer: " + error.message;
    }
  });
}
attempts(document);
