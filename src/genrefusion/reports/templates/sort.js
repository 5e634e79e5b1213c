
// A heading sorts the rows by its column, figures from the highest on; pressed again, the other way.
document.getElementById("sorting").hidden = false;
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0], words = new Intl.Collator("en", { numeric: true });
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const figures = head.classList.contains("number");
      const falls = head.hasAttribute("aria-sort") ? head.getAttribute("aria-sort") === "ascending" : figures;
      const key = row => row.cells[place].dataset.key ?? row.cells[place].textContent.trim();
      const order = (a, b) => (figures ? key(a) - key(b) : words.compare(key(a), key(b)));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falls ? "descending" : "ascending");
      body.append(...[...body.rows].sort((a, b) => (falls ? order(b, a) : order(a, b))));
    });
  });
}
