// The card as it is now, whenever it changes.  A preview is loaded before it is shown, so that nothing flickers.

const place = document.querySelector(".sitting");
const said = document.querySelector("#said");
const stream = new EventSource(place.dataset.events);
let newest = 0;

stream.addEventListener("card", async (event) => {
  const mine = ++newest;
  const part = document.createElement("template");
  part.innerHTML = event.data;
  const card = part.content.querySelector("article");
  await Promise.race([
    Promise.allSettled([...card.querySelectorAll("img")].map((image) => image.decode())),
    new Promise((done) => setTimeout(done, 1500)),
  ]);
  if (mine !== newest) return;
  const now = card.querySelector("[data-said]")?.textContent ?? "";
  if (said.textContent !== now) said.textContent = now;
  const before = place.querySelector("article");
  // The bar moves from where it was, and a focused button stays.
  if (before.dataset.state === card.dataset.state && card.dataset.state === "running") {
    const [bar, next] = [before.querySelector("progress"), card.querySelector("progress")];
    if (next.hasAttribute("value")) [bar.max, bar.value] = [next.max, next.value];
    before.querySelector(".lead").replaceWith(card.querySelector(".lead"));
    before.querySelector(".plate > .label").replaceWith(card.querySelector(".plate > .label"));
    if (card.querySelector(".coming")) before.querySelector(".window").replaceChildren(...card.querySelector(".window").childNodes);
  } else before.replaceWith(card);
});
stream.addEventListener("over", () => stream.close());
