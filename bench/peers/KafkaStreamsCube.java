import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * The cube of cases as Kafka Streams would count it: the newest facts of each case, grouped by its cell, exactly once.
 *
 * <p>Arguments: bootstrap servers, topic, number of records, state folder, threads. Prints one line of JSON. It has it
 * easier than ours: it takes the order of a partition for the truth, and has no sequences to compare.
 */
public final class KafkaStreamsCube {
    private static final String[] DIMENSIONS = {
        "unit", "sex", "age_band", "kind", "risk", "status", "sector", "channel", "step"
    };
    private static final ObjectMapper JSON = new ObjectMapper();

    private final AtomicLong read = new AtomicLong();
    private final AtomicLong firstRead = new AtomicLong();
    private final AtomicLong lastUpdate = new AtomicLong();

    public static void main(String[] arguments) throws Exception {
        new KafkaStreamsCube().run(arguments[0], arguments[1], Long.parseLong(arguments[2]), arguments[3], arguments[4]);
    }

    private void run(String bootstrap, String topic, long records, String folder, String threads) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "cube-" + System.nanoTime());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, String.valueOf(64L << 20));
        settings.put("auto.offset.reset", "earliest");
        settings.put("max.poll.records", "3000");

        StreamsBuilder builder = new StreamsBuilder();
        Serde<String> text = Serdes.String();
        KTable<String, String> newest = builder
            .stream(topic, Consumed.with(text, Serdes.ByteArray()))
            .mapValues(this::cell)
            .toTable(Materialized.with(text, text));
        newest
            .groupBy((caseId, cell) -> KeyValue.pair(cell, ""), Grouped.with(text, text))
            .count(Materialized.as("cube"))
            .toStream()
            .foreach((cell, count) -> lastUpdate.set(System.nanoTime()));

        try (KafkaStreams streams = new KafkaStreams(builder.build(), settings)) {
            streams.start();
            while (read.get() < records) {
                Thread.sleep(20);
            }
            long before;
            do { // settled: nothing changes any more
                before = lastUpdate.get();
                Thread.sleep(1500);
            } while (before != lastUpdate.get());
            long counted = 0;
            var store = streams.store(
                StoreQueryParameters.fromNameAndType("cube", QueryableStoreTypes.<String, Long>keyValueStore()));
            try (var cells = store.all()) {
                while (cells.hasNext()) {
                    counted += cells.next().value;
                }
            }
            double seconds = (lastUpdate.get() - firstRead.get()) / 1e9;
            System.out.println("{\"seconds\": " + seconds + ", \"counted\": " + counted + "}");
        }
    }

    private String cell(byte[] value) {
        firstRead.compareAndSet(0, System.nanoTime());
        try {
            JsonNode facts = JSON.readTree(value).get("facts");
            StringBuilder cell = new StringBuilder(96);
            for (String dimension : DIMENSIONS) {
                cell.append(facts.get(dimension).asText()).append('|');
            }
            read.incrementAndGet();
            return cell.toString();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
