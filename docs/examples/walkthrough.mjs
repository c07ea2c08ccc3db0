// Adds a person, enrols them, identifies and verifies them in another photo, and removes them again.
// usage: SIGHTLINE_API_KEY=… node walkthrough.mjs PHOTO ANOTHER_PHOTO_OF_THE_SAME_PERSON
import { Problem, SightlineClient } from './sightline-client.mjs';

const [photo, another] = process.argv.slice(2);
const client = new SightlineClient({ url: process.env.SIGHTLINE_URL, apiKey: process.env.SIGHTLINE_API_KEY });

const ada = await client.createPerson({ name: 'Ada' });
try {
  const { quality } = await client.enrol(ada.id, photo);
  console.log(`enrolled with quality ${quality.toFixed(2)}`);

  for (const { outcome, person, score } of (await client.identify(another)).faces) {
    console.log(`identify: ${outcome} ${person?.name ?? ''} ${score?.toFixed(3) ?? ''}`);
  }

  const { faces } = await client.embeddings(photo, { codec: 'int8' });
  console.log(`embeddings: ${faces.length} face, ${faces[0].template.dimension} components`);

  const strict = { falseMatchRate: 1e-4 };
  const references = { reference: photo, personId: ada.id, template: faces[0].template };
  for (const [kind, value] of Object.entries(references)) {
    const { outcome, score, threshold } = await client.verify(another, { [kind]: value }, strict);
    console.log(`verify with ${kind}: ${outcome}, ${score.toFixed(3)} against ${threshold.toFixed(3)}`);
  }
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await client.removePerson(ada.id);
}
