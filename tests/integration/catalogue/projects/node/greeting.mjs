import words from 'greeting-words';

export function greeting(name, hour = 12) {
  return `${words[hour < 18 ? 0 : 1]}, ${name}`;
}
