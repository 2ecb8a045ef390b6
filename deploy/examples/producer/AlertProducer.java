import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.StringSerializer;

/** Tells noisegate of one alert of each team, and of what somebody did about it a minute later. */
public class AlertProducer {

    public static void main(String[] arguments) throws Exception {
        if (arguments.length < 3) {
            System.err.println("usage: AlertProducer BOOTSTRAP_SERVERS TOPIC TEAM...");
            System.exit(2);
        }
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("acks", "all");
        settings.put("enable.idempotence", "true"); // keeps the order of one team's events over retries
        // No "partitioner.class": Java's default is murmur2 of the key, which noisegate calls murmur2.
        try (var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (int index = 2; index < arguments.length; index++) {
                String team = arguments[index], alertId = "INC-" + UUID.randomUUID();
                Instant now = Instant.now().truncatedTo(ChronoUnit.MILLIS);
                Future<RecordMetadata> raised = send(producer, arguments[1], raised(now.minusSeconds(60), alertId, team));
                Future<RecordMetadata> acted = send(producer, arguments[1], acted(now, alertId, team));
                raised.get(); // throws what went wrong
                acted.get();
            }
        }
    }

    static Map<String, Object> raised(Instant at, String alertId, String team) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("type", "raised");
        event.put("at", at.toString()); // RFC 3339, UTC, when it happened
        event.put("alert_id", alertId); // one firing: sent again it is a repetition
        event.put("team", team); // the owner now
        event.put("rule", "disk_full");
        event.put("entity", "db-7");
        event.put("severity", "high");
        event.put("source", "example");
        event.put("title", "Disk 91% on \"db-7\"");
        event.put("labels", Map.of("env", "prod"));
        return event;
    }

    static Map<String, Object> acted(Instant at, String alertId, String team) {
        Map<String, Object> event = new LinkedHashMap<>();
        event.put("type", "acted");
        event.put("at", at.toString());
        event.put("alert_id", alertId);
        event.put("team", team); // the owner when it was raised, even if it was handed on since
        event.put("action_id", alertId + "-1"); // one action: sent again it is a repetition
        event.put("kind", "worked");
        event.put("actor", "9b97e7f7fd"); // a pseudonym
        return event;
    }

    static Future<RecordMetadata> send(KafkaProducer<String, String> producer, String topic, Map<String, Object> event) {
        return producer.send(new ProducerRecord<>(topic, (String) event.get("team"), json(event)));
    }

    /** Texts and maps of texts; use your JSON library instead. */
    static String json(Object value) {
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
                    .collect(Collectors.joining(",", "{", "}"));
        }
        StringBuilder text = new StringBuilder("\"");
        for (char letter : value.toString().toCharArray()) {
            if (letter == '"' || letter == '\\') {
                text.append('\\').append(letter);
            } else if (letter < 0x20) {
                text.append(String.format("\\u%04x", (int) letter));
            } else {
                text.append(letter);
            }
        }
        return text.append('"').toString();
    }
}
