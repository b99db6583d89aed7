// Ideas fill in the words, and the chosen photo is shown before it is sent.  The form works without this.

const words = document.querySelector("#words");
const photo = document.querySelector("#photo");
const drop = document.querySelector(".drop");
const chosen = document.querySelector(".chosen");
const consent = document.querySelector("#consent");

document.querySelector(".ideas").addEventListener("click", (event) => {
  const idea = event.target.closest("[data-words]");
  if (!idea) return;
  event.preventDefault();
  words.value = idea.dataset.words;
  words.focus();
});

photo.addEventListener("change", () => {
  const [file] = photo.files;
  consent.required = Boolean(file);
  chosen.hidden = !file;
  if (!file) return;
  URL.revokeObjectURL(chosen.src);
  chosen.src = URL.createObjectURL(file);
  drop.querySelector("b").textContent = "Another photo";
  const large = file.size > 15e6;
  photo.setCustomValidity(large ? "The photo has more than 15 MB." : "");
  if (large) photo.reportValidity();
});

for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, () => drop.classList.add("over"));
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));

document.querySelector(".studio").addEventListener("submit", (event) => {
  const button = event.target.querySelector(".button");
  button.disabled = true;
  button.textContent = "A moment…";
});
addEventListener("pageshow", (event) => event.persisted && location.reload());
